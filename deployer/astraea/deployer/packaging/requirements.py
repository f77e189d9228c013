"""Which Python packages a service's image needs: what serves it, what its framework is, what its handler imports."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from astraea.protocol import ServiceSpec
from astraea.protocol.model_format import Format, model_format

from ..errors import BuildError

REQUIREMENTS_FILE = "requirements.txt"
"""Beside the template, for what the handler needs in certain versions, or what its imports don't tell."""

_EXTRAS = {
    Format.TORCH_SCRIPT: "torch",
    Format.TORCH_EXPORT: "torch",
    Format.TORCH_CHECKPOINT: "torch",
    Format.ULTRALYTICS: "ultralytics",
    Format.SAVED_MODEL: "tensorflow",
    Format.KERAS: "tensorflow",
    Format.TFLITE: "tensorflow",
    Format.PICKLE: "sklearn",
    Format.COMPRESSED: "sklearn",
    Format.SKOPS: "sklearn",
}
_ON_CPU, _ON_GPU = "onnxruntime", Requirement("onnxruntime-gpu[cuda,cudnn]>=1.21")
"""The same import package; that for the GPU brings CUDA and cuDNN as packages, so that the base can be any."""
_CONVERTED = frozenset({Format.DARKNET, Format.DARKNET_WEIGHTS})
_CONVERTERS = frozenset({"onnx"})
"""What only converts models: 27 MB that others do without."""
_DISTRIBUTIONS = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Names of packages that differ from the imports, where the one isn't installed here to tell."""


_SELDOM_READ = {
    "clang/native": ("clang",),  # TensorFlow needs it to be built
    "cv2/data": ("cv2.data", "haarcascade", "lbpcascade"),
    "onnxruntime/transformers": ("onnxruntime.transformers",),
    # The module has all of it in itself.
    "onnxruntime/capi/libonnxruntime.so.*": ("onnxruntime_genai", "libonnxruntime"),
    "tensorflow/include": ("get_include", "tensorflow/include"),
    "torch/bin/protoc*": ("protoc",),
    "torch/bin/test_*": ("torch/bin",),
}
"""Parts of packages that nothing reads but a service whose source says so, and what it says then: 48 MB that each
service has, 190 MB of TensorFlow's and 40 MB of PyTorch's."""


def unread_parts(directory: Path, spec: ServiceSpec) -> frozenset[str]:
    """Patterns of folders and files of packages that the service does without.

    Raises:
        BuildError: the handler is no Python.
    """
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in _modules(directory, spec))
    return frozenset(part for part, words in _SELDOM_READ.items() if not any(word in text for word in words))


def requirements_of(directory: Path, spec: ServiceSpec) -> list[str]:
    """The requirements, sorted, as a `requirements.txt` has them.

    Raises:
        BuildError: the handler is no Python, or its `requirements.txt` doesn't read.
        ModelFormatError: the model can't be read.
    """
    found = None if spec.model is None or spec.model.startswith("zoo:") else model_format(directory / spec.model)
    wanted = {requirement.name.lower(): requirement for requirement in _own("edge")}
    if found not in _CONVERTED:
        wanted = {name: wanted[name] for name in wanted.keys() - _CONVERTERS}
    if found in _EXTRAS:
        wanted |= {requirement.name.lower(): requirement for requirement in _own(_EXTRAS[found])}
    for name in sorted(_imported(directory, spec)):
        wanted.setdefault(name.lower(), Requirement(name))
    wanted |= {requirement.name.lower(): requirement for requirement in _written(directory / REQUIREMENTS_FILE)}
    if spec.resources.gpu and _ON_CPU in wanted:
        del wanted[_ON_CPU]
        wanted.setdefault(_ON_GPU.name, _ON_GPU)
    return sorted(str(requirement) for requirement in wanted.values())


def _own(extra: str) -> Iterator[Requirement]:
    """What astraea itself needs for an extra, without the markers that chose it."""
    for text in requires("astraea") or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            requirement.marker = None
            yield requirement


def _written(path: Path) -> Iterator[Requirement]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        try:
            if text:
                yield Requirement(text)
        except ValueError as error:
            raise BuildError(f"{path}, line {number}: {str(error).splitlines()[0]}") from None


def _imported(directory: Path, spec: ServiceSpec) -> set[str]:
    """The distributions that bring what the service's own modules import."""
    names = {name for path in _modules(directory, spec) for name in _imports(path)}
    foreign = {
        name
        for name in names - sys.stdlib_module_names - {"astraea"}
        if not (directory / name).is_dir() and not (directory / f"{name}.py").is_file()
    }
    installed = packages_distributions() if foreign - _DISTRIBUTIONS.keys() else {}  # it reads all that is installed
    return {_DISTRIBUTIONS.get(name) or next(iter(installed.get(name, [])), name) for name in foreign}


def _modules(directory: Path, spec: ServiceSpec) -> Iterator[Path]:
    """The handler, and the modules beside it that it may import."""
    if spec.handler is not None:
        yield directory / spec.handler
        beside = ast.walk(_parse(directory / spec.handler))
        for node in beside:
            for name in _names(node):
                if (directory / f"{name}.py").is_file():
                    yield directory / f"{name}.py"
                elif (directory / name).is_dir():
                    yield from sorted((directory / name).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    return {name for node in ast.walk(_parse(path)) for name in _names(node)}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.partition(".")[0]]
    return []


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise BuildError(f"{path} is no Python: {error}") from None
