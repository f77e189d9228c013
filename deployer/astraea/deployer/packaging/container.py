"""Images that container engines run: a base, packages, astraea itself, the weights, the application; a layer for each.

They are made on this machine without an engine and without running anything of the image. What changes seldom lies
below what changes often, so that a change of the handler moves a few kilobytes.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

import astraea
from astraea.protocol import ServiceSpec

from ..errors import BuildError
from ..layers import Layer, write_layer
from ..oci import (
    CONFIG_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    Descriptor,
    Healthcheck,
    ImageConfig,
    ImageLayout,
    Manifest,
    RootFs,
    RunConfig,
)
from .base import Base
from .bytecode import Compiler, write_compiled_layer
from .folder import SERVICE_FOLDER
from .known import digest_of, known_layer
from .packages import HOME
from .revision import labels_of

_PARTS = ("protocol", "models", "edge_server", "deployer")
"""Of astraea: what serves, and the command that starts it."""
_CACHE = f"{HOME}/cache"
USER_ID = 65532
"""Of the user and the group that instances run as: nobody in particular, as in distroless images."""
_BASE_NAME, _BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
SECOND_NS = 10**9
HEALTH_INTERVAL_S, HEALTH_TIMEOUT_S, HEALTH_START_S = 10, 5, 120


def own_layer(layout: ImageLayout, compiler: Compiler | None) -> Layer:
    """The layer of astraea's own code. Needs `writing`."""
    files = {name: path for part in _PARTS for name, path in _sources(part).items()}
    files |= {f"{HOME}/{path}": place for path, place in _metadata()}
    key = digest_of(str(compiler), *_contents(files))
    return known_layer(layout, key, lambda: write_compiled_layer(layout, files, compiler))


def _sources(part: str) -> dict[str, Path]:
    """A part's files by their path in an image."""
    root = next(Path(path, part) for path in astraea.__path__ if Path(path, part).is_dir())
    found = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{HOME}/astraea/{part}/{path.relative_to(root)}": path for path in found}


def _contents(files: Mapping[str, Path]) -> list[str]:
    return [f"{name} {hashlib.sha256(files[name].read_bytes()).hexdigest()}" for name in sorted(files)]


def _metadata() -> Iterator[tuple[str, Path]]:
    """What tells `importlib.metadata` the version."""
    for path in distribution("astraea").files or ():
        if path.name == "METADATA" and path.parent.name.endswith(".dist-info"):
            yield str(path), Path(str(path.locate()))


def zoo_layer(layout: ImageLayout, model: str) -> Layer:
    """The layer of a model of the zoo, pulled and converted here so that nodes need not. Needs `writing`.

    Raises:
        BuildError: it can't be had.
    """
    # The zoo's catalogue, and what converts, are among those sources: with them unchanged it is the same model.
    key = digest_of(model, *_contents(_sources("models")))
    return known_layer(layout, key, lambda: _pulled_layer(layout, model))


def _pulled_layer(layout: ImageLayout, model: str) -> Layer:
    ended = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-P", "-m", "astraea.deployer", "models", "pull", model],
        capture_output=True,
        check=False,
        text=True,
    )
    if ended.returncode != 0:
        raise BuildError(f"the model {model} can't be had: {ended.stderr.strip()}")
    folder = Path(ended.stdout.strip())
    inside = f"{_CACHE}/astraea/models/{folder.parent.name}/{folder.name}"
    files = {f"{inside}/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    return write_layer(layout, files)


def write_container(
    layout: ImageLayout,
    spec: ServiceSpec,
    base: Base,
    layers: Sequence[Layer],
    labels: Mapping[str, str] | None = None,
) -> Descriptor:
    """Store the manifest and configuration of an image of these layers on a base. Needs `writing`.

    Args:
        layout: gets it.
        spec: the service.
        base: the image below.
        layers: the image's own, the lowest first.
        labels: beside those that tell of the service and the base.

    Returns:
        The manifest's descriptor.
    """
    config = ImageConfig(
        architecture=base.platform.architecture,
        config=_run_config(spec, base, labels or {}),
        rootfs=RootFs(diff_ids=(*base.config.rootfs.diff_ids, *(layer.diff_id for layer in layers))),
    )
    manifest = Manifest(
        config=layout.put(config, CONFIG_MEDIA_TYPE),
        layers=(*base.layers, *(layer.descriptor for layer in layers)),
    )
    return layout.put(manifest, MANIFEST_MEDIA_TYPE)


def _run_config(spec: ServiceSpec, base: Base, labels: Mapping[str, str]) -> RunConfig:
    return RunConfig(
        user=f"{USER_ID}:{USER_ID}",
        env=tuple(f"{name}={value}" for name, value in {**_environment(base), **_OWN_ENVIRONMENT}.items()),
        entrypoint=("python3", "-P", "-m", "astraea.deployer", "serve", f"/{SERVICE_FOLDER}"),
        cmd=("--host=0.0.0.0",),
        exposed_ports={f"{spec.port}/tcp": {}},
        stop_signal="SIGTERM",
        healthcheck=Healthcheck(
            test=health_command(f"http://127.0.0.1:{spec.port}"),
            interval=HEALTH_INTERVAL_S * SECOND_NS,
            timeout=HEALTH_TIMEOUT_S * SECOND_NS,
            start_period=HEALTH_START_S * SECOND_NS,
        ),
        working_dir=f"/{SERVICE_FOLDER}",
        labels={**labels, **labels_of(spec), _BASE_NAME: str(base.reference.at(None)), _BASE_DIGEST: base.digest},
    )


def health_command(url: str) -> tuple[str, ...]:
    """What finds out in the container whether the instance at this address lives."""
    return ("CMD", "python3", "-S", "-c", f"import urllib.request as r; r.urlopen('{url}/livez', timeout=3)")


def _environment(base: Base) -> Mapping[str, str]:
    return dict(line.partition("=")[::2] for line in base.config.config.env or ())


_OWN_ENVIRONMENT = {
    "PYTHONPATH": f"/{HOME}",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "XDG_CACHE_HOME": f"/{_CACHE}",
}
