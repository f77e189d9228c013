from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.protocol import ServiceSpecError, load_service_spec

TEMPLATE = """\
name: plates
version: 1.0.0
model: zoo:plates
handler: handler.py
port: 8000
resources: {cpu: 0.5, memory: 512Mi, gpu: 0}
region: hangzhou
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handler.py").touch()
    return tmp_path


def write(folder: Path, template: str) -> Path:
    (folder / "astraea.yaml").write_text(template)
    return folder


def refusal(folder: Path, template: str) -> tuple[str, str | None]:
    with pytest.raises(ServiceSpecError) as caught:
        load_service_spec(write(folder, template))
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.hint


def test_a_template_says_what_a_service_is(folder: Path) -> None:
    spec = load_service_spec(write(folder, TEMPLATE))
    assert (spec.name, spec.version, spec.model, spec.handler) == ("plates", "1.0.0", "zoo:plates", "handler.py")
    assert (spec.resources.cpu, spec.resources.memory, spec.resources.gpu) == (0.5, 512 * 2**20, 0)
    assert (spec.port, spec.region) == (8000, "hangzhou")


def test_two_lines_are_enough(folder: Path) -> None:
    spec = load_service_spec(write(folder, "name: s\nversion: 0.1.0\n"))
    assert (spec.port, spec.resources.cpu, spec.resources.memory) == (8000, 1, 2**30)


@pytest.mark.parametrize(
    ("template", "message", "hint"),
    [
        ("version: 1.0.0", "the key `name` is missing: a name of lower-case letters", None),
        (TEMPLATE.replace("handler:", "handlr:"), "there is no key `handlr`", "did you mean `handler`?"),
        (TEMPLATE.replace("cpu:", "cpus:"), "there is no key `resources.cpus`", "did you mean `cpu`?"),
        (TEMPLATE + "zzz: 1", "there is no key `zzz`", "the keys are name, version, model"),
        (TEMPLATE.replace("1.0.0", "1.0"), "version: expected a semantic version, such as `1.0.0`, found 1.0", None),
        (TEMPLATE.replace("8000", "http"), "port: expected a port from 1 to 65535, found 'http'", None),
        (TEMPLATE.replace("8000", "70000"), "port: expected a port from 1 to 65535, found 70000", None),
        (TEMPLATE.replace("512Mi", "lots"), "resources.memory: expected an amount such as `512Mi`", None),
        (TEMPLATE.replace("name: plates", "name: My Plates"), "name: expected a name of lower-case letters", None),
        (TEMPLATE.replace("zoo:plates", "m.onnx"), "model: there is no 'm.onnx'", "put it there"),
        (TEMPLATE.replace("zoo:plates", "../m.onnx"), "model: '../m.onnx' lies outside", None),
        (TEMPLATE.replace("handler.py", "/etc/x.py"), "handler: '/etc/x.py' lies outside", None),
        ("- a\n- b", "must be a mapping", None),
        ("name: [", "is not YAML", None),
        ("", "must be a mapping", None),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(
    folder: Path, template: str, message: str, hint: str | None
) -> None:
    said, suggestion = refusal(folder, template)
    assert message in said
    assert "astraea.yaml" in said
    assert hint is None or hint in (suggestion or "")


def test_a_missing_template_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ServiceSpecError, match=r"there is no astraea\.yaml") as caught:
        load_service_spec(tmp_path)
    assert "astraea init" in (caught.value.hint or "")


def test_a_file_too_large_to_be_a_template_is_not_read(folder: Path) -> None:
    assert "larger than" in refusal(folder, "#" * 100_000)[0]


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / "astraea.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ServiceSpecError, match="can't be read"):
        load_service_spec(folder)


@given(text=st.text(max_size=200))
def test_no_text_whatever_gets_anything_but_a_spec_or_a_clear_refusal(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "astraea.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ServiceSpecError):
        load_service_spec(folder)
