"""Container images, made without an engine and put into a real registry: what is in them, what a change moves."""

import hashlib
import io
import json
import shutil
import sys
import tarfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from astraea.deployer.errors import BuildError, RegistryError
from astraea.deployer.oci import (
    CONFIG_MEDIA_TYPE,
    LAYER_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    Descriptor,
    ImageConfig,
    ImageLayout,
    Index,
    Manifest,
    RootFs,
    RunConfig,
)
from astraea.deployer.packaging.building import ContainerBuild, build_container, find_bill
from astraea.deployer.packaging.dependencies import Architecture, Platform, files_of, lock, parse_platforms
from astraea.deployer.packaging.requirements import requirements_of, unread_parts
from astraea.deployer.registry import Reference, Registry
from astraea.protocol import load_service_spec
from tests.conftest import need

from .conftest import Cli, WriteService
from .registry_server import running_registry

_ELF_MACHINES = {62: "amd64", 183: "arm64"}  # https://www.sco.com/developers/gabi/latest/ch4.eheader.html, e_machine
NUMBERS = "import numpy\n\n\ndef predict(model: None, name: str) -> str:\n    return str(numpy.ones(3))\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")
    with running_registry(tmp_path_factory.mktemp("registry")) as host, Registry(host) as client:
        put_base(client)
        yield client


def put_base(registry: Registry) -> None:
    """`python:3.11` for two platforms, as far as a build looks into it."""
    entries = []
    for architecture in ("amd64", "arm64"):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo(f"etc/{architecture}"))
        layer = put(registry, content.getvalue(), LAYER_MEDIA_TYPE)
        config = ImageConfig(
            architecture=architecture,
            config=RunConfig(env=("PATH=/usr/bin", "PYTHON_VERSION=3.11.9")),
            rootfs=RootFs(diff_ids=(layer.digest,)),
        )
        manifest = Manifest(config=put(registry, config.to_json().encode(), CONFIG_MEDIA_TYPE), layers=(layer,))
        text = manifest.to_json().encode()
        entry = described(text, MANIFEST_MEDIA_TYPE)
        registry.put_manifest(base(registry).at(entry.digest), text, MANIFEST_MEDIA_TYPE)
        entries.append({**entry.model_dump(by_alias=True), "platform": {"os": "linux", "architecture": architecture}})
    index = Index.model_validate({"manifests": entries})
    registry.put_manifest(base(registry), index.to_json().encode(), index.media_type)


def base(registry: Registry) -> Reference:
    return Reference(registry.host, "library/python", "3.11")


def described(content: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type=media_type, digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size=len(content))


def put(registry: Registry, content: bytes, media_type: str) -> Descriptor:
    registry.put_blob("library/python", described(content, media_type), [content])
    return described(content, media_type)


def build(
    folder: Path, layout: ImageLayout, registry: Registry, *architectures: Architecture, name: str = "hello"
) -> ContainerBuild:
    target = Reference(registry.host, name, "1.0.0")
    return build_container(folder, layout, target, base=base(registry), architectures=architectures or ("amd64",))


def described_image(registry: Registry, reference: Reference) -> tuple[Manifest, ImageConfig]:
    """What a registry tells of an image."""
    manifest = Manifest.model_validate_json(registry.manifest(reference).content)
    with registry.blob(reference.repository, manifest.config.digest) as parts:
        return manifest, ImageConfig.model_validate_json(b"".join(parts))


def pulled(registry: Registry, reference: Reference, into: Path) -> tuple[ImageConfig, Path]:
    """An image's configuration, and its files laid out as a container has them."""
    manifest, config = described_image(registry, reference)
    for layer in manifest.layers:
        with registry.blob(reference.repository, layer.digest) as parts:
            content = io.BytesIO(b"".join(parts))
        with tarfile.open(fileobj=content, mode="r:gz") as tar:
            tar.extractall(into, filter="data")
    return config, into


def elf_machines(folder: Path) -> set[str]:
    """What the compiled files below a folder run on."""
    files = (path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {_ELF_MACHINES[content[18]] for content in files if content.startswith(b"\x7fELF")}


def test_an_image_has_all_that_its_service_needs_and_starts_it_as_nobody(
    write_service: WriteService, kept_layout: ImageLayout, registry: Registry, tmp_path: Path
) -> None:
    folder = write_service(handler=NUMBERS)
    done = build(folder, kept_layout, registry)
    assert "numpy==" in (folder / "astraea.lock").read_text()
    config, root = pulled(registry, done.reference, tmp_path / "root")
    assert (root / "app" / "handler.py").read_text() == NUMBERS
    assert not (root / "app" / "astraea.lock").exists()
    packages = {path.name for path in (root / "opt" / "astraea").iterdir()}
    assert {"numpy", "onnxruntime", "starlette", "astraea"} <= packages
    assert not {"torch", "sklearn", "fastapi", "docker"} & packages
    assert not (root / "opt" / "astraea" / "cv2" / "data").exists()
    assert not list((root / "opt" / "astraea" / "onnxruntime" / "capi").glob("libonnxruntime.so*"))
    assert (root / "etc" / "amd64").is_file(), "the base's own layer"
    run = config.config
    assert (run.user, run.stop_signal, run.exposed_ports) == ("65532:65532", "SIGTERM", {"8000/tcp": {}})
    assert {"PATH=/usr/bin", "PYTHONPATH=/opt/astraea"} <= set(run.env or ())
    assert run.labels["org.opencontainers.image.version"] == "1.0.0"


def test_a_change_of_the_handler_moves_kilobytes(
    write_service: WriteService, kept_layout: ImageLayout, registry: Registry
) -> None:
    first = build(write_service(), kept_layout, registry, name="changing")
    assert first.sent_bytes > 10_000_000
    folder = write_service(handler="def predict(model: None, name: str) -> str: ...\n")
    second = build(folder, kept_layout, registry, name="changing")
    assert 0 < second.sent_bytes < 100_000
    assert first.revision != second.revision
    assert build(folder, kept_layout, registry, name="changing").sent_bytes == 0


def test_the_same_inputs_give_the_same_digest_in_two_folders_and_layouts_and_by_two_interpreters(
    write_service: WriteService,
    kept_layout: ImageLayout,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = write_service("one")
    one = build(first, kept_layout, registry, name="same")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    venv.create(tmp_path / "other python")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "other python" / "bin" / "python"))
    # The lock is an input: without it, a package that is released in between would rightly be another one.
    second = write_service("two", **{"astraea.lock": (first / "astraea.lock").read_text()})
    two = build(second, ImageLayout(tmp_path / "other"), registry, name="same")
    assert layers_of(one) == layers_of(two)
    assert one.reference == two.reference


def layers_of(done: ContainerBuild) -> dict[str, Descriptor]:
    """By the stage that made them."""
    return {stage.name: stage.layer.descriptor for stage in done.stages if stage.layer is not None}


def test_an_image_for_arm64_is_made_here_and_holds_nothing_compiled_for_another_machine(
    write_service: WriteService, kept_layout: ImageLayout, registry: Registry, tmp_path: Path
) -> None:
    done = build(write_service(handler=NUMBERS), kept_layout, registry, "amd64", "arm64", name="both")
    index = Index.model_validate_json(registry.manifest(done.reference).content)
    for entry in index.manifests:
        assert entry.platform is not None
        architecture = entry.platform.architecture
        config, root = pulled(registry, done.reference.at(entry.digest), tmp_path / architecture)
        assert config.architecture == architecture
        assert (root / "etc" / architecture).is_file()
        assert elf_machines(root) == {architecture}


@pytest.mark.parametrize(
    ("handler", "written", "expected", "unexpected"),
    [
        ("import PIL.Image\nfrom sklearn import svm\n", "", {"pillow", "scikit-learn"}, {"onnx"}),
        ("import json, helper\n", "", {"httpx", "onnxruntime"}, {"json", "helper", "torch"}),
        ("import cv2\n", "opencv-python-headless==4.11.0.86  # pinned\n", {"opencv-python-headless==4.11.0.86"}, set()),
    ],
)
def test_requirements_follow_the_handlers_imports_and_what_is_written(
    write_service: WriteService, handler: str, written: str, expected: set[str], unexpected: set[str]
) -> None:
    extra = {"helper.py": "import httpx\n"} | ({"requirements.txt": written} if written else {})
    folder = write_service(handler=handler, **extra)
    found = requirements_of(folder, load_service_spec(folder))
    names = {text.partition(">")[0].partition("<")[0].partition("[")[0] for text in found}
    assert expected <= names
    assert not unexpected & names


@pytest.mark.parametrize(
    ("handler", "read"),
    [
        ("import cv2\n", set()),
        (
            "faces = cv2.data.haarcascades\nimport onnxruntime_genai\n",
            {"cv2/data", "onnxruntime/capi/libonnxruntime.so.*"},
        ),
    ],
)
def test_parts_of_packages_that_no_source_names_stay_out(
    write_service: WriteService, handler: str, read: set[str]
) -> None:
    nothing, folder = write_service("other"), write_service(handler=handler)
    parts = unread_parts(nothing, load_service_spec(nothing))
    assert parts - unread_parts(folder, load_service_spec(folder)) == read


def test_scripts_and_packages_own_tests_stay_out_but_not_what_has_their_names(home: Path) -> None:
    files = {
        "bin/tool": "",
        "net/__init__.py": "from net._api.v2 import test\nfrom net import tests_of_speed",
        "net/_api/v2/__init__.py": "",
        "net/_api/v2/test/__init__.py": "",
        "net/bin/manager": "",
        "net/tests/__init__.py": "",
        "near/__init__.py": "    from .tests import run_tests",
        "near/tests/__init__.py": "",
        "near/tests/__pycache__/a.pyc": "",
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    left = files.keys() - {str(path.relative_to(home)) for path in files_of(home)}
    assert left == {"bin/tool", "net/tests/__init__.py", "near/tests/__pycache__/a.pyc"}


def test_a_handler_that_is_no_python_is_refused_with_its_line(write_service: WriteService) -> None:
    folder = write_service(handler="def predict(:\n")
    with pytest.raises(BuildError, match=r"handler\.py is no Python: .*line 1"):
        requirements_of(folder, load_service_spec(folder))


def test_packages_that_do_not_go_together_are_named() -> None:
    with pytest.raises(BuildError, match="numpy"):
        lock(["numpy==1.26.0", "numpy==2.0.0"], Platform("amd64", "3.11"))


def test_platforms_are_read_as_docker_writes_them() -> None:
    assert parse_platforms("linux/amd64, linux/arm64") == ("amd64", "arm64")
    with pytest.raises(BuildError, match="windows/amd64"):
        parse_platforms("windows/amd64")


def test_a_bill_of_materials_is_attached_to_the_image_once(
    write_service: WriteService, kept_layout: ImageLayout, registry: Registry
) -> None:
    folder = write_service(handler=NUMBERS)
    done = build(folder, kept_layout, registry, name="billed")
    text = find_bill(Reference(registry.host, "billed", "1.0.0")).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == ("hello", "1.0.0")
    locked = [line.split()[0] for line in (folder / "astraea.lock").read_text().splitlines() if "==" in line]
    bought = {f"{part['name']}=={part['version']}" for part in bill["components"]}
    assert set(locked) < bought
    assert any(part["purl"].startswith("pkg:oci/python@sha256%3A") for part in bill["components"])
    assert build(folder, kept_layout, registry, name="billed").sent_bytes == 0
    assert len(registry.referrers(done.reference)) == 1


def test_an_image_without_a_bill_says_so(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"nothing of the type .*cyclonedx"):
        find_bill(base(registry))


def test_labels_that_are_given_are_the_images(
    write_service: WriteService, kept_layout: ImageLayout, registry: Registry, cli: Cli
) -> None:
    revision = "org.opencontainers.image.revision"
    name = f"{registry.host}/labelled:1"
    arguments = ["build", str(write_service()), "--push", name, "--base", str(base(registry)), "--label"]
    cli(*arguments, f"{revision}=1f3c9a=b")
    _, config = described_image(registry, Reference.parse(name))
    assert config.config.labels[revision] == "1f3c9a=b"
    assert "--label: 'latest' has no value" in cli(*arguments, "latest", status=1).stderr
    assert '"bomFormat": "CycloneDX"' in cli("sbom", name).stdout


def test_a_base_without_python_is_refused(
    write_service: WriteService, kept_layout: ImageLayout, registry: Registry
) -> None:
    target = Reference(registry.host, "hello", "1.0.0")
    with pytest.raises(BuildError, match="does not say which Python"):
        build_container(
            write_service(), kept_layout, target, base=put_without_python(registry), architectures=("amd64",)
        )


def put_without_python(registry: Registry) -> Reference:
    config = ImageConfig(architecture="amd64", rootfs=RootFs(diff_ids=()))
    manifest = Manifest(
        config=put(registry, json.dumps(json.loads(config.to_json())).encode(), CONFIG_MEDIA_TYPE), layers=()
    )
    reference = Reference(registry.host, "library/python", "bare")._replace(repository="library/python")
    other = reference._replace(tag="none")
    registry.put_manifest(other, manifest.to_json().encode(), MANIFEST_MEDIA_TYPE)
    return other


def test_a_service_that_asks_for_a_gpu_gets_the_runtime_for_it_with_cuda(write_service: WriteService) -> None:
    folder = write_service(handler=f"import onnxruntime\n{NUMBERS}", keys="resources: {gpu: 1}\n")
    wanted = requirements_of(folder, load_service_spec(folder))
    assert [name for name in wanted if name.startswith("onnxruntime")] == ["onnxruntime-gpu[cuda,cudnn]>=1.21"]
    locked = lock(wanted, Platform("amd64", "3.11"))
    assert "\nonnxruntime-gpu==" in locked
    assert "\nnvidia-cudnn-" in locked
    assert "\nonnxruntime==" not in locked
