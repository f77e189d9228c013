"""What a new service starts from: a template and a handler, and a copy of the model if that is a file."""

import re
import shutil
from pathlib import Path

import yaml
from pydantic import ValidationError

from astraea.protocol import SPEC_FILE, ServiceSpec
from astraea.protocol.model_format import Format, model_format

from .errors import StarterError

_HANDLER = "handler.py"
_ESTIMATORS = (Format.SKOPS, Format.PICKLE, Format.COMPRESSED)

_DETECTOR = '''\
"""Finds things in a camera's frames."""

from pathlib import Path

from astraea.edge_server import Image
from astraea.models import Detector, load_detector
from astraea.protocol import Detection


def load(model: Path) -> Detector:
    """Make the model ready; called once, when an instance starts."""
    return load_detector(model)


def predict(model: Detector, image: Image) -> list[Detection]:
    """Answer one frame: RGB uint8, H x W x 3."""
    return model.detect(image)
'''

_OWN_MODEL = '''\
"""Says how the model is called and what it returns."""

from pathlib import Path
from typing import Any

from astraea.edge_server import Image


def load(model: Path) -> Any:
    """Make the model ready; called once, when an instance starts."""
    raise NotImplementedError(f"load the model from {model}")


def predict(model: Any, image: Image) -> dict[str, Any]:
    """Answer one frame: RGB uint8, H x W x 3. Another annotation than Image takes other requests."""
    raise NotImplementedError("call the model, and return what devices are to get")
'''

_ESTIMATOR = '''\
"""Says what the model is given and what it returns."""

from typing import Any

from astraea.edge_server import Tensor


def predict(model: Any, rows: Tensor) -> Any:
    """Answer one request; `model` is the estimator. Another annotation than Tensor takes other requests."""
    return model.predict(rows)
'''

_NO_MODEL = '''\
"""Answers without a model, until you name one in the template."""

from typing import Any

from astraea.edge_server import Image


def predict(model: None, image: Image) -> dict[str, Any]:
    """Answer one frame: RGB uint8, H x W x 3. Another annotation than Image takes other requests."""
    height, width, _ = image.shape
    return {"width": width, "height": height, "brightness": float(image.mean())}
'''


def start_service(directory: Path, model: str | None = None, name: str | None = None) -> list[Path]:
    """Write the files of a new service, and return them.

    Args:
        directory: the service's folder, made if absent.
        model: `zoo:NAME`, or a file, which is copied in unless it lies there already; None for a service without.
        name: the service's name; by default the folder's, made fit.

    Raises:
        StarterError: a file is there already, the model is not, or the name is none of a service.
    """
    source = None if model is None or model.startswith("zoo:") else Path(model)
    if source is not None and not source.is_file():
        raise StarterError(f"there is no file {model!r}", hint="for a model of the zoo, write --model zoo:NAME")
    template = _template(_fit_name(name, directory), model if source is None else source.name)
    handler = _NO_MODEL if model is None else _DETECTOR if source is None else _handler_of(source)
    contents: dict[Path, str | Path] = {directory / SPEC_FILE: template, directory / _HANDLER: handler}
    if source is not None and source.resolve().parent != directory.resolve():
        contents[directory / source.name] = source
    _write_all(directory, contents)
    return list(contents)


def _handler_of(model: Path) -> str:
    """A file that scikit-learn's estimators come in is opened by the server itself; of others the user knows more."""
    return _ESTIMATOR if model_format(model) in _ESTIMATORS else _OWN_MODEL


def _fit_name(name: str | None, directory: Path) -> str:
    return name or re.sub(r"[^a-z0-9]+", "-", directory.resolve().name.lower()).strip("-")


def _template(name: str, model: str | None) -> str:
    keys = {
        "name": name,
        "version": "0.1.0",
        "model": model,
        "handler": _HANDLER,
        "resources": {"cpu": 1, "memory": "1Gi"},
    }
    present = {key: value for key, value in keys.items() if value is not None}
    try:
        ServiceSpec.model_validate(present)
    except ValidationError as error:
        key = error.errors(include_url=False)[0]["loc"][0]
        raise StarterError(
            f"{key}: {present[str(key)]!r} can't be used",
            hint="give a name of lower-case letters, digits and dashes with --name" if key == "name" else None,
        ) from None
    # Without a flow style of its own, YAML writes the innermost mapping on one line.
    return yaml.safe_dump(present, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000)


def _write_all(directory: Path, contents: dict[Path, str | Path]) -> None:
    """Write all of the files or none."""
    existing = next((path for path in contents if path.exists()), None)
    if existing is not None:
        raise StarterError(f"{existing} exists already, and is left as it is", hint="choose another folder")
    written: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            written.append(path)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                shutil.copyfile(content, path)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StarterError(f"{directory} can't be written: {error.strerror}") from None
        raise
