"""What a YOLO model file says of itself beside its graph."""

import ast
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import ModelFileError

Fit = Literal["letterbox", "stretch"]
"""How a network was trained to see images: with grey bars that keep proportions, or filling the input without them."""

_MAX_CHARS = 1 << 18


def _literal(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return ast.literal_eval(text[:_MAX_CHARS])
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("no Python literal") from error


class YoloMetadata(BaseModel):
    """The metadata of an ONNX file; a model without any gets the defaults.

    The keys, and values written as Python literals, are those of ultralytics' exports
    (docs.ultralytics.com/modes/export); what begins with `astraea_` only our own converter writes.
    """

    model_config = ConfigDict(frozen=True)

    task: str = "detect"
    names: Annotated[dict[int, str], BeforeValidator(_literal)] = {}
    """The classes, as far as they have names."""
    imgsz: Annotated[list[Annotated[int, Field(ge=1, le=8192)]], BeforeValidator(_literal)] = Field(
        default=[640, 640], min_length=2, max_length=2
    )
    """Height and width, in pixels, of the images it was trained for."""
    stride: int = 32
    """Pixels of the input to a cell of the coarsest grid, across."""
    astraea_head: Literal["boxes+scores"] | None = None
    """What the outputs are, where they are not ultralytics': `boxes+scores` is described at `darknet.write_graph`."""
    astraea_fit: Fit = "letterbox"

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> "YoloMetadata":
        """Make sense of a file's properties; those that are not of interest are passed over.

        Raises:
            ModelFileError: a value is not what its key promises.
        """
        try:
            return cls.model_validate(properties)
        except ValidationError as error:
            key = error.errors()[0]["loc"][0]
            raise ModelFileError(f"metadata {key}={properties[str(key)][:40]!r} are not understood") from error

    def properties(self) -> dict[str, str]:
        """As a file keeps them."""
        return {key: str(value) for key, value in self.model_dump(exclude_none=True).items()}
