"""The errors of the models part.

ModelError
├── DarknetConfigError    a .cfg that does not parse, or asks for what the converter does not know
├── DarknetWeightsError   a .weights file that does not hold what its .cfg asks for
├── ModelFileError        an ONNX file that does not load, or is no detector of a kind we know
├── PhotoError            images or labels to calibrate or measure with that can't be read
└── ZooError              a named model cannot be had
    ├── UnknownModelError no model of that name, and no such file
    ├── DownloadError     a file that no place has, or none as the catalogue knows it
    └── CacheError        a cache folder that cannot be written: a full disk, no permission
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


class PhotoError(ModelError):
    """There are no images to calibrate or measure with, or an image or its label can't be read."""


class ZooError(ModelError):
    """A model of the zoo cannot be had."""


class UnknownModelError(ZooError):
    """The zoo has no model of this name, and there is no file or folder of this name either."""


class DownloadError(ZooError):
    """A file cannot be downloaded, or what comes is not the file that the catalogue describes."""


class CacheError(ZooError):
    """The folder that keeps models cannot be written: the disk is full, or the folder is someone else's."""
