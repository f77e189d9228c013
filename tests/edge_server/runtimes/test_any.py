"""What every framework has in common: files that it does not take, and its own absence."""

import pickle
import sys
from pathlib import Path

import pytest

from astraea.edge_server import MissingExtraError, ModelLoadError, open_model
from tests.edge_server.runtimes.conftest import need_framework
from tests.edge_server.test_formats import zip_of


@pytest.mark.parametrize(
    ("framework", "package", "content"),
    [
        ("sklearn", "sklearn", b"\x80\x04\x95"),
        ("sklearn", "joblib", b"\x1f\x8b\x08 and no more"),
        ("sklearn", "skops", zip_of("schema.json")),
        ("torch", "torch", zip_of("m/data.pkl", "m/constants.pkl")),
        ("torch", "torch", zip_of("m/archive_format", "m/models/model.json")),
        ("tensorflow", "keras", zip_of("metadata.json", "config.json")),
        ("tensorflow", "ai_edge_litert", b"\x1c\0\0\0TFL3"),
    ],
)
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # see test_torch.py
def test_what_a_framework_does_not_take_is_told_in_one_line(
    tmp_path: Path, framework: str, package: str, content: bytes
) -> None:
    need_framework(framework, package)
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match="does not load: ") as caught:
        open_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "package", "extra"),
    [
        (pickle.dumps([]), "sklearn", "sklearn"),
        (zip_of("m/archive_format"), "torch", "torch"),
        (zip_of("metadata.json", "config.json"), "keras", "tensorflow"),
        (b"\x1c\0\0\0TFL3", "ai_edge_litert.interpreter", "tensorflow"),
    ],
)
def test_a_framework_that_is_missing_is_told_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("astraea.edge_server.runtimes.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(MissingExtraError, match=f"there is no module '{package.partition('.')[0]}") as caught:
        open_model(path)
    assert caught.value.hint == f"pip install 'astraea[{extra}]'"
