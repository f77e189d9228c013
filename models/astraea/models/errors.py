"""The errors of the models part.

ModelError
├── DarknetConfigError    a .cfg that does not parse, or asks for what the converter does not know
├── DarknetWeightsError   a .weights file that does not hold what its .cfg asks for
└── ModelFileError        an ONNX file that does not load, or is no detector of a kind we know
"""

from astraea.protocol import AstraeaError


class ModelError(AstraeaError):
    """A model cannot be obtained, converted or run."""


class DarknetConfigError(ModelError):
    """A Darknet `.cfg` is missing, malformed, out of bounds or names a section or value that is not known."""


class DarknetWeightsError(ModelError):
    """A Darknet `.weights` file is missing, or its size is not what the `.cfg` asks for."""


class ModelFileError(ModelError):
    """An ONNX file is missing, does not load, or has inputs and outputs that no detector here understands."""
