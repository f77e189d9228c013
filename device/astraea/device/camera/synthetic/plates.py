"""Chinese licence plates: texts made up by the rules of GA 36, and plates painted to its measures.

A blue plate is 440 x 140 mm: a province, a city's letter, a dot, five digits or letters. A green one, of a new-energy
car, is 480 x 140 mm: one more character, and the serial begins with a letter for the kind of drive. Characters are
90 mm high and 45 mm wide, on green plates 43 mm but for the first.

The letters are those of real plates, all but I and O, at most two in a serial; of the 31 provinces there are the 13 of
`PROVINCES`. The plate model has hardly seen the others and takes them for one of these, whatever the camera does, while
the scene is to measure a camera and a link. It also may take Q for 0, M for N: they are as frequent as other letters.
"""

import functools
from importlib.resources import as_file, files

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

PROVINCES = "京津沪苏浙皖鲁闽晋湘鄂粤豫"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
DIGITS = "0123456789"
DRIVES = "ABCDEFGHJK"
"""The first of a green plate's serial: A to E are electric, F to K burn something as well."""

HEIGHT_MM = 140
CHARACTER_HEIGHT_MM = 90
_SCALE = 2  # px per mm while painting; the finished texture has 1
_MARGIN_MM = 15.5

RGB = tuple[int, int, int]
_WHITE: RGB = (238, 240, 243)
_BLACK: RGB = (16, 18, 18)
_BLUE: tuple[RGB, RGB] = ((34, 84, 188), (22, 64, 160))
_GREEN: tuple[RGB, RGB] = ((222, 238, 226), (96, 196, 132))
_STROKE_MM = 2.0  # squeezed to half its width the typeface's upright strokes get too thin; this is added to them


def make_plate(rng: np.random.Generator) -> str:
    """A text that a real plate might have; one in four is that of a new-energy car."""
    head = _pick(rng, PROVINCES) + _pick(rng, LETTERS)
    if rng.random() < 0.25:
        return head + _pick(rng, DRIVES) + "".join(_pick(rng, DIGITS) for _ in range(5))
    serial = [_pick(rng, DIGITS) for _ in range(5)]
    for place in rng.choice(5, size=rng.integers(0, 3), replace=False):
        serial[place] = _pick(rng, LETTERS)
    return head + "".join(serial)


def _pick(rng: np.random.Generator, characters: str) -> str:
    return characters[rng.integers(len(characters))]


def is_green(text: str) -> bool:
    """Whether a text is that of a new-energy car."""
    return len(text) == 8


def width_mm(text: str) -> int:
    """How wide the plate of a text is."""
    return 480 if is_green(text) else 440


def paint_plate(text: str) -> NDArray[np.uint8]:
    """The plate as RGB at 1 px per mm: 140 x 440 x 3 or 140 x 480 x 3."""
    ink = _BLACK if is_green(text) else _WHITE
    plate = _blank(width_mm(text), _GREEN if is_green(text) else _BLUE, ink)
    for character, x_mm, character_mm in _layout(text):
        size = (round(character_mm * _SCALE), CHARACTER_HEIGHT_MM * _SCALE)
        top_mm = (HEIGHT_MM - CHARACTER_HEIGHT_MM) // 2
        plate.paste(ink, (round(x_mm * _SCALE), top_mm * _SCALE), _glyph(character, *size))
    return np.asarray(plate.reduce(_SCALE), np.uint8)


def _layout(text: str) -> list[tuple[str, float, float]]:
    """Each character, where it begins and how wide it is, in mm; the gap after the second is where the dot is."""
    gap_mm, dot_gap_mm, rest_mm = (9, 49, 43) if is_green(text) else (12, 34, 45)
    places: list[tuple[str, float, float]] = []
    x_mm = _MARGIN_MM
    for index, character in enumerate(text):
        character_mm = 45 if index == 0 else rest_mm
        places.append((character, x_mm, character_mm))
        x_mm += character_mm + (dot_gap_mm if index == 1 else gap_mm)
    return places


def _blank(wide_mm: int, colours: tuple[RGB, RGB], ink: RGB) -> Image.Image:
    """A plate without characters: its ground from top to bottom, the frame, the dot of a blue one, four screws."""
    top, bottom = np.array(colours, np.float32)
    share = np.linspace(0, 1, HEIGHT_MM * _SCALE, dtype=np.float32)[:, None, None]
    ground = np.repeat(top + (bottom - top) * share, wide_mm * _SCALE, axis=1)
    plate = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(plate)
    frame_mm = (0.5, 0.5, wide_mm - 0.5, HEIGHT_MM - 0.5)
    draw.rounded_rectangle(tuple(edge * _SCALE for edge in frame_mm), 9 * _SCALE, outline=ink, width=2 * _SCALE)
    if wide_mm == 440:
        _disc(draw, 134.5, HEIGHT_MM / 2, 4, ink)
    for x_mm in (wide_mm * 0.25, wide_mm * 0.75):  # screws under caps of the plate's own colour
        _disc(draw, x_mm, 9, 3.5, _colour(top + 18))
        _disc(draw, x_mm, HEIGHT_MM - 9, 3.5, _colour(bottom * 0.8))
    return plate


def _colour(values: NDArray[np.float32]) -> RGB:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _disc(draw: ImageDraw.ImageDraw, x_mm: float, y_mm: float, radius_mm: float, colour: RGB) -> None:
    box_mm = (x_mm - radius_mm, y_mm - radius_mm, x_mm + radius_mm, y_mm + radius_mm)
    draw.ellipse(tuple(edge * _SCALE for edge in box_mm), fill=colour)


@functools.cache
def _font() -> ImageFont.FreeTypeFont:
    with as_file(files("cvttf_NotoSansCJK_Bold") / "NotoSansCJKtc-Bold.otf") as path:
        return ImageFont.truetype(path, 3 * CHARACTER_HEIGHT_MM * _SCALE // 2)


@functools.cache
def _glyph(character: str, width: int, height: int) -> Image.Image:
    """A character's ink stretched over its field, as a mask of width x height px; a 1 takes half of it."""
    left, top, right, bottom = (int(edge) for edge in _font().getbbox(character))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), character, font=_font(), fill=255)
    stroke = round(_STROKE_MM * _SCALE * (1.0 if character.isascii() else 0.5))
    ink_width = (width // 2 if character == "1" else width) - stroke
    narrow = np.pad(np.asarray(mask.resize((ink_width, height), Image.Resampling.LANCZOS)), ((0, 0), (stroke, stroke)))
    bold = cv2.dilate(narrow, np.ones((1, stroke + 1), np.uint8))
    field = Image.new("L", (width, height))
    field.paste(Image.fromarray(np.asarray(bold, np.uint8)), ((width - bold.shape[1]) // 2, 0))
    return field
