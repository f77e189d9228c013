"""Cars as a camera in front of them sees them: flat pieces of bodywork standing where those of a real car are.

A car's own axes: x to the right as the camera sees it, y up from the ground, z back from the front bumper, in metres.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Colour
from .lens import Sprite

LENGTH_M, WIDTH_M, HEIGHT_M = 4.4, 1.82, 1.46
PLATE_CENTRE = (0.0, 0.47, -0.03)
"""Where the front plate is, in the car's own axes."""

PAINTS: tuple[Colour, ...] = (
    (226, 228, 230),  # white
    (168, 172, 178),  # silver
    (44, 46, 50),  # black
    (128, 30, 34),  # red
    (38, 62, 108),  # blue
    (150, 136, 112),  # champagne
    (84, 90, 96),  # grey
)

_NEAR_PX_PER_M, _SIDE_PX_PER_M = 300.0, 100.0  # the side is seen at a flat angle
_BONNET_M, _COWL_M = 0.80, 0.96  # the bonnet's height at its front edge and at the windscreen
_GLASS: tuple[Colour, Colour] = ((96, 110, 122), (24, 29, 34))
_RUBBER: Colour = (20, 20, 22)
_DARK: Colour = (14, 15, 17)


class Piece(NamedTuple):
    """A flat part of a car."""

    sprite: Sprite
    corners: NDArray[np.float32]
    """4 x 3, top left and on clockwise as seen from the camera, in the car's own axes."""

    def beyond(self, z: float) -> "Piece | None":
        """The part of it that is farther back than `z`; None if that is nothing, or not cut off along its left edge."""
        if self.corners[:, 2].min() >= z:
            return self
        near, far = self.corners[[0, 3], 2], self.corners[[1, 2], 2]
        if far.min() <= max(z, near.max()):
            return None
        share = float(((z - near) / (far - near)).max())
        edges = self.corners[[0, 3]] + share * (self.corners[[1, 2]] - self.corners[[0, 3]])
        return Piece(self.sprite.without_left(share), np.stack([edges[0], *self.corners[1:3], edges[1]]))


def build_car(paint: Colour) -> tuple[Piece, ...]:
    """All pieces of a car without its plate, in the order in which they hide each other."""
    half = WIDTH_M / 2
    lower, upper = half - 0.03, 0.60  # half the body's width below the windows, and at the roof
    return (
        _piece(_shadow(), (-1.25, 0, 4.9), (1.25, 0, 4.9), (1.25, 0, -0.45), (-1.25, 0, -0.45)),
        _piece(_side(paint), (lower, 1.0, 0.12), (lower, 1.0, LENGTH_M), (lower, 0, LENGTH_M), (lower, 0, 0.12)),
        _piece(_windows(paint), (upper, 1.42, 1.75), (upper, 1.38, 3.5), (lower, 0.94, 4.1), (lower, 0.94, 1.0)),
        _piece(_roof(paint), (-0.54, HEIGHT_M, 2.5), (0.54, HEIGHT_M, 2.5), (upper, 1.40, 1.75), (-upper, 1.40, 1.75)),
        _piece(_mirrors(paint), (-1.04, 1.13, 1.3), (1.04, 1.13, 1.3), (1.04, 0.91, 1.3), (-1.04, 0.91, 1.3)),
        _piece(_windscreen(paint), (-upper, 1.41, 1.75), (upper, 1.41, 1.75), (lower, 0.94, 1.0), (-lower, 0.94, 1.0)),
        _piece(
            _bonnet(paint),
            (-lower, _COWL_M, 1.06),
            (lower, _COWL_M, 1.06),
            (0.89, _BONNET_M - 0.04, 0.02),
            (-0.89, _BONNET_M - 0.04, 0.02),
        ),
        _piece(_front(paint), (-half, 0.9, 0), (half, 0.9, 0), (half, 0, 0), (-half, 0, 0)),
    )


def _piece(canvas: Canvas, *corners: tuple[float, float, float]) -> Piece:
    return Piece(canvas.sprite(), np.array(corners, np.float32))


def _shade(paint: Colour, factor: float) -> Colour:
    """Darker for a factor below 1; above it, towards the white of the sky."""
    if factor <= 1:
        return paint[0] * factor, paint[1] * factor, paint[2] * factor
    red, green, blue = (channel + (250 - channel) * (factor - 1) for channel in paint)
    return red, green, blue


def _shadow() -> Canvas:
    canvas = Canvas(2.5, 5.35, 40)
    canvas.fill([(-0.92, 0.35), (0.92, 0.35), (0.92, 5.0), (-0.92, 5.0)], (6, 7, 9), alpha=0.85)
    canvas.soften(0.14)
    return canvas


def _front(paint: Colour) -> Canvas:
    canvas = Canvas(WIDTH_M, 0.9, _NEAR_PX_PER_M)
    canvas.fill_both([(0.60, 0.30), (0.83, 0.30), (0.83, 0.02), (0.80, 0), (0.63, 0), (0.60, 0.02)], _DARK, _RUBBER)
    skin = [
        (0, 0.83),
        (0.45, 0.825),
        (0.72, 0.80),
        (0.85, 0.75),
        (0.90, 0.66),
        (0.905, 0.42),
        (0.88, 0.27),
        (0.80, 0.19),
    ]
    canvas.fill([*skin, *((-x, y) for x, y in reversed(skin))], _shade(paint, 1.12), _shade(paint, 0.42))
    # the bumper's upper edge catches the sky, its lower half the road
    canvas.fill([(-0.88, 0.60), (0.88, 0.60), (0.89, 0.565), (-0.89, 0.565)], _shade(paint, 1.35), _shade(paint, 0.9))
    canvas.fill([(-0.89, 0.36), (0.89, 0.36), (0.86, 0.20), (-0.86, 0.20)], _shade(paint, 0.55), _shade(paint, 0.26))
    canvas.fill_both([(0.905, 0.66), (0.80, 0.60), (0.80, 0.30), (0.89, 0.30)], _shade(paint, 0.62), _shade(paint, 0.3))
    _grille(canvas, paint)
    _lamps(canvas)
    canvas.fill([(-0.58, 0.315), (0.58, 0.315), (0.50, 0.215), (-0.50, 0.215)], _DARK, (30, 31, 33))
    for y in (0.245, 0.275):
        canvas.fill([(-0.54, y + 0.006), (0.54, y + 0.006), (0.54, y), (-0.54, y)], (58, 60, 63))
    return canvas


def _grille(canvas: Canvas, paint: Colour) -> None:
    canvas.fill([(-0.46, 0.755), (0.46, 0.755), (0.40, 0.61), (-0.40, 0.61)], (178, 182, 186), (92, 95, 99))
    canvas.fill([(-0.44, 0.743), (0.44, 0.743), (0.385, 0.62), (-0.385, 0.62)], _DARK, (36, 38, 41))
    for y in (0.645, 0.675, 0.705):
        canvas.fill([(-0.42, y + 0.009), (0.42, y + 0.009), (0.42, y), (-0.42, y)], (150, 154, 158), (60, 62, 66))
    canvas.ellipse((0, 0.685), (0.055, 0.045), (214, 217, 220), (120, 124, 128))
    canvas.ellipse((0, 0.685), (0.036, 0.028), (52, 55, 60), (28, 30, 33))
    canvas.fill([(-0.6, 0.832), (0.6, 0.832), (0.6, 0.815), (-0.6, 0.815)], _shade(paint, 1.4), alpha=0.6)


def _lamps(canvas: Canvas) -> None:
    canvas.fill_both([(0.48, 0.745), (0.70, 0.775), (0.86, 0.735), (0.885, 0.665), (0.80, 0.645), (0.52, 0.65)], _DARK)
    canvas.fill_both(
        [(0.50, 0.735), (0.70, 0.763), (0.85, 0.727), (0.872, 0.672), (0.80, 0.655), (0.53, 0.662)],
        (196, 206, 214),
        (74, 82, 90),
    )
    for x in (-1, 1):
        canvas.ellipse((x * 0.62, 0.703), (0.045, 0.036), (250, 251, 252), (150, 158, 166))
        canvas.ellipse((x * 0.76, 0.703), (0.04, 0.032), (236, 238, 240), (104, 112, 120))
        canvas.ellipse((x * 0.70, 0.295), (0.055, 0.035), (206, 208, 210), (92, 95, 99))
    canvas.fill_both(
        [(0.52, 0.662), (0.80, 0.657), (0.872, 0.674), (0.87, 0.66), (0.80, 0.645), (0.53, 0.65)], (255, 255, 250)
    )


def _bonnet(paint: Colour) -> Canvas:
    canvas = Canvas(1.74, 1.05, 200)
    canvas.fill([(-0.87, 1.05), (0.87, 1.05), (0.87, 0), (-0.87, 0)], _shade(paint, 0.95), _shade(paint, 1.3))
    canvas.fill([(-0.5, 1.05), (0.25, 1.05), (0.05, 0), (-0.62, 0)], _shade(paint, 1.55), alpha=0.35)
    canvas.fill_both([(0.56, 1.05), (0.60, 1.05), (0.50, 0), (0.46, 0)], _shade(paint, 0.6), alpha=0.5)
    canvas.soften(0.012)
    canvas.fill([(-0.87, 1.05), (0.87, 1.05), (0.87, 0.99), (-0.87, 0.99)], _DARK, alpha=0.8)
    return canvas


def _windscreen(paint: Colour) -> Canvas:
    canvas = Canvas(1.6, 0.86, 200)
    canvas.fill([(-0.8, 0.86), (0.8, 0.86), (0.8, 0), (-0.8, 0)], *_GLASS)
    for x in (-0.36, 0.36):  # the driver's seat is to the right of the picture
        canvas.fill([(x - 0.15, 0.60), (x + 0.15, 0.60), (x + 0.2, 0.1), (x - 0.2, 0.1)], (30, 33, 37), alpha=0.8)
    canvas.ellipse((0.36, 0.50), (0.095, 0.15), (70, 64, 62), (40, 38, 40))
    canvas.fill(
        [(0.10, 0.30), (0.26, 0.40), (0.48, 0.40), (0.64, 0.30), (0.64, 0.08), (0.10, 0.08)], (56, 62, 74), (30, 33, 40)
    )
    canvas.fill([(-0.09, 0.79), (0.09, 0.79), (0.08, 0.70), (-0.08, 0.70)], (22, 24, 27))
    canvas.fill([(-0.8, 0.86), (-0.2, 0.86), (-0.55, 0), (-0.8, 0)], (190, 202, 212), (110, 122, 132), alpha=0.30)
    canvas.fill([(0.1, 0.86), (0.3, 0.86), (-0.05, 0), (-0.25, 0)], (190, 202, 212), alpha=0.14)
    canvas.fill([(-0.8, 0.10), (0.8, 0.10), (0.8, 0), (-0.8, 0)], (24, 25, 27), _DARK)
    canvas.soften(0.008)
    canvas.fill([(-0.7, 0.055), (0.05, 0.10), (0.05, 0.085), (-0.7, 0.035)], _DARK)
    canvas.fill([(0.0, 0.055), (0.66, 0.10), (0.66, 0.085), (0.0, 0.035)], _DARK)
    canvas.fill_both([(0.74, 0.86), (0.8, 0.86), (0.8, 0), (0.74, 0)], _shade(paint, 1.05), _shade(paint, 0.7))
    canvas.fill([(-0.8, 0.86), (0.8, 0.86), (0.8, 0.82), (-0.8, 0.82)], _shade(paint, 1.2))
    return canvas


def _roof(paint: Colour) -> Canvas:
    canvas = Canvas(1.2, 0.75, 100)
    canvas.fill([(-0.6, 0.75), (0.6, 0.75), (0.6, 0), (-0.6, 0)], _shade(paint, 1.45), _shade(paint, 1.1))
    return canvas


def _mirrors(paint: Colour) -> Canvas:
    canvas = Canvas(2.08, 0.22, 200)
    canvas.fill_both([(0.76, 0.08), (0.90, 0.10), (0.90, 0.06), (0.76, 0.03)], _DARK)
    shell = [(0.85, 0.03), (0.86, 0.15), (0.91, 0.19), (0.98, 0.19), (1.02, 0.15), (1.01, 0.05), (0.96, 0.02)]
    canvas.fill_both(shell, _shade(paint, 1.2), _shade(paint, 0.4))
    return canvas


def _side(paint: Colour) -> Canvas:
    """The body below the windows with its wheels; x = 0 is the middle of the car's length."""
    long = LENGTH_M - 0.12
    canvas = Canvas(long, 1.0, _SIDE_PX_PER_M)
    outline = [
        (-2.14, 0.72),
        (-1.9, 0.84),
        (-1.1, 0.94),
        (1.6, 0.95),
        (2.05, 0.9),
        (2.12, 0.6),
        (2.08, 0.24),
        (-2.1, 0.22),
    ]
    canvas.fill(outline, _shade(paint, 1.05), _shade(paint, 0.3))
    canvas.fill(
        [(-2.0, 0.72), (2.1, 0.78), (2.1, 0.72), (-2.0, 0.66)], _shade(paint, 1.35), _shade(paint, 0.8), alpha=0.7
    )
    for x in (-0.75, 0.28, 1.25):
        canvas.fill([(x, 0.93), (x + 0.018, 0.93), (x + 0.018, 0.27), (x, 0.27)], _shade(paint, 0.25))
    for x in (0.05, 1.02):
        canvas.fill([(x, 0.76), (x + 0.17, 0.76), (x + 0.17, 0.725), (x, 0.725)], (150, 153, 157), _DARK)
    for x in (-1.42, 1.32):
        canvas.ellipse((x, 0.33), (0.37, 0.37), _DARK)
        canvas.ellipse((x, 0.31), (0.315, 0.31), (34, 34, 36), _RUBBER)
        canvas.ellipse((x, 0.31), (0.21, 0.21), (172, 176, 180), (96, 99, 103))
        canvas.ellipse((x, 0.31), (0.06, 0.06), (60, 62, 66))
    return canvas


def _windows(paint: Colour) -> Canvas:
    canvas = Canvas(3.1, 0.5, _SIDE_PX_PER_M)
    canvas.fill([(-1.55, 0.5), (1.55, 0.5), (1.55, 0), (-1.55, 0)], _shade(paint, 1.15), _shade(paint, 0.8))
    canvas.fill([(-1.42, 0.44), (0.0, 0.44), (0.0, 0.03), (-1.42, 0.03)], (78, 90, 100), (26, 30, 35))
    canvas.fill([(0.09, 0.44), (1.3, 0.44), (1.3, 0.03), (0.09, 0.03)], (64, 74, 84), (22, 26, 30))
    return canvas
