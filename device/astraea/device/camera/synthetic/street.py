"""The street without its traffic, painted once: road, kerbs, pavements, shops, trees, sky.

For every pixel it is computed which surface its line of sight meets, and that surface is coloured by where it is met.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas
from .lens import Lens, Pixels

Field = NDArray[np.float32]
"""One value per pixel."""

LEFT_KERB_M, RIGHT_KERB_M = -7.6, 0.4
_LEFT_WALL_M, _RIGHT_WALL_M = -12.0, 4.5
_LANE_LINE_M = -3.65
_FAR_M = 180.0
_SHOP_M = 5.6  # the width of one front
_HAZE = np.array((196, 206, 214), np.float32)
_TREES_M = (13.0, 20.5, 29.0, 39.0, 52.0, 70.0)  # how far ahead they stand
_LEAVES = 500
_SUPERSAMPLING = 2


def sunlight(x: Field, z: Field) -> Field:
    """How much light reaches a place of the road: 1 in the sun, less where a tree or a house keeps it away."""
    wave = np.sin(0.55 * z + 0.25 * x) + 0.6 * np.sin(0.23 * z - 0.4 * x + 1.0)
    shaded = 1 / (1 + np.exp(-6 * (wave - 0.35)))
    return np.asarray(1.0 - 0.36 * shaded, np.float32)


def paint_street(lens: Lens, rng: np.random.Generator) -> Pixels:
    """The empty street as RGB."""
    fine = Lens(
        lens.width * _SUPERSAMPLING,
        lens.height * _SUPERSAMPLING,
        lens.focal_px * _SUPERSAMPLING,
        lens.above_ground_m,
        lens.left_deg,
        lens.down_deg,
    )
    picture = _paint_surfaces(fine, _noise_texture(rng))
    small = cv2.resize(
        np.clip(picture, 0, 255).astype(np.uint8), (lens.width, lens.height), interpolation=cv2.INTER_AREA
    )
    image = np.asarray(small, np.uint8)
    _plant_trees(image, lens, rng)
    # what is behind the traffic is out of focus
    return np.asarray(cv2.GaussianBlur(image, (0, 0), lens.width / 640), np.uint8)


def _paint_surfaces(lens: Lens, noise: Field) -> NDArray[np.float32]:
    ray = lens.rays()
    with np.errstate(divide="ignore"):
        ground = np.where(ray[..., 1] < 0, -lens.above_ground_m / ray[..., 1], np.inf)
        left = np.where(ray[..., 0] < 0, _LEFT_WALL_M / ray[..., 0], np.inf)
        right = np.where(ray[..., 0] > 0, _RIGHT_WALL_M / ray[..., 0], np.inf)
    end = _FAR_M / ray[..., 2]
    reach = np.minimum.reduce([ground, left, right, end])
    where = ray * reach[..., None] + np.array([0, lens.above_ground_m, 0], np.float32)
    x, y, z = (np.ascontiguousarray(where[..., axis], np.float32) for axis in range(3))

    picture = _sky(ray)
    on_ground = reach == ground
    picture = np.where(on_ground[..., None], _ground(x, z, noise), picture)
    height = 5.0 + 3.2 * _of_shop(z, 7)
    on_wall = ((reach == left) | (reach == right)) & (y < height)
    picture = np.where(on_wall[..., None], _shops(y, z, height, noise), picture)
    haze = (1 - np.exp(-z / 130))[..., None] * (on_ground | on_wall)[..., None]
    return np.asarray(picture * (1 - haze) + _HAZE * haze, np.float32)


def _noise_texture(rng: np.random.Generator) -> Field:
    """A square of cloudy noise that can be laid side by side, mean 0, deviation 1."""
    side = 512
    total = np.zeros((side, side), np.float32)
    for cells in (8, 32, 128, 512):
        grid = np.pad(rng.normal(size=(cells, cells)).astype(np.float32), 2, mode="wrap")
        step = side // cells
        large = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += np.asarray(large, np.float32)[2 * step : 2 * step + side, 2 * step : 2 * step + side]
    return np.asarray(total / total.std(), np.float32)


def _sample(noise: Field, across: Field, along: Field) -> Field:
    """Noise at places given in its pixels."""
    return np.asarray(cv2.remap(noise, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def _sky(ray: NDArray[np.float32]) -> NDArray[np.float32]:
    up = np.clip(ray[..., 1:2] / ray[..., 2:3] * 9, 0, 1)
    return np.asarray(_HAZE + (np.array((132, 172, 216), np.float32) - _HAZE) * up, np.float32)


def _ground(x: Field, z: Field, noise: Field) -> NDArray[np.float32]:
    """Asphalt with its markings between two kerbs, and paved walks beside them."""
    grain = _sample(noise, x * 60 % 512, z * 60 % 512) * np.clip(10 / z, 0, 1)
    stain = _sample(noise, x * 4 % 512, z * 1.2 % 512)
    tone = 92 + 5 * grain + 5 * stain - 7 * _band(x, -1.7, 0.75) - 6 * _band(x, -5.6, 0.75)
    line = (np.abs(x - _LANE_LINE_M) < 0.075) & (z % 10 < 5)
    edge = (np.abs(x - RIGHT_KERB_M + 0.5) < 0.07) | (np.abs(x - LEFT_KERB_M - 0.4) < 0.07)
    tone = np.where(line | edge, 196 + 9 * stain, tone)
    tone = tone * sunlight(x, z)
    road = tone[..., None] * np.array((1.0, 1.0, 1.02), np.float32)

    joint = ((x * 2 % 1) < 0.05) | ((z * 2 % 1) < 0.05)
    slab = 142 + 4 * grain + 6 * stain - 22 * (joint & (z < 45))
    kerb = (np.abs(x - LEFT_KERB_M) < 0.13) | (np.abs(x - RIGHT_KERB_M) < 0.13)
    walk = np.where(kerb, 172 - 60 * (z % 1 < 0.04), slab) * sunlight(x + 3, z)
    on_road = (x > LEFT_KERB_M) & (x < RIGHT_KERB_M)
    return np.where(on_road[..., None], road, walk[..., None] * np.array((1.0, 0.97, 0.92), np.float32))


def _band(x: Field, centre_m: float, sigma_m: float) -> Field:
    """1 along a line of the road, less beside it: where wheels and oil have darkened it."""
    return np.asarray(np.exp(-(((x - centre_m) / sigma_m) ** 2)), np.float32)


def _of_shop(z: Field, salt: int) -> Field:
    """A number from 0 to 1 that belongs to the shop at a place along the street."""
    return np.asarray(np.sin(np.floor(z / _SHOP_M) * 12.9898 + salt * 78.233) * 43758.547 % 1, np.float32)


def _shops(y: Field, z: Field, height: Field, noise: Field) -> NDArray[np.float32]:
    """Fronts side by side: a window and a door below, a sign above, then plaster with upper windows and a cornice."""
    hue = np.stack([_of_shop(z, 1), _of_shop(z, 2), _of_shop(z, 3)], -1)
    stain = _sample(noise, z * 9 % 512, y * 9 % 512)[..., None]
    along = z % _SHOP_M
    colour = (
        np.array((168, 158, 146), np.float32) + 36 * (hue.mean(-1, keepdims=True) - 0.5) + 12 * (hue - 0.5) + 4 * stain
    )
    colour = _over(colour, (y > 3.05) & (y < 3.75) & (along > 0.3), 80 + 50 * hue)
    glass = np.array((58, 68, 76), np.float32) + 40 * np.clip(y - 0.5, 0, 2)[..., None] + 10 * hue + 10 * stain
    colour = _over(colour, (y > 0.35) & (y < 2.85) & (along > 0.45) & (along < 3.7), glass)
    colour = _over(colour, (y < 2.6) & (along > 4.0) & (along < 5.2), 0.6 * glass)
    frame = (np.abs(along - 2.1) < 0.05) & (y > 0.35) & (y < 2.85)
    colour = _over(colour, frame, np.full(3, 150, np.float32))
    upper = (y > 4.3) & (y < 5.9) & (along % 1.9 > 0.55)
    colour = _over(colour, upper, np.array((86, 98, 110), np.float32) + 10 * hue)
    colour = _over(colour, y > height - 0.22, np.array((120, 112, 104), np.float32))
    return np.asarray(colour * (0.72 + 0.28 * np.clip(y / 2.5, 0, 1))[..., None], np.float32)


def _over(colour: NDArray[np.float32], where: NDArray[np.bool_], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(where[..., None], other, colour)


def _plant_trees(image: Pixels, lens: Lens, rng: np.random.Generator) -> None:
    """A row of trees along the left kerb, the farthest first."""
    trees = [_tree(rng).sprite() for _ in range(2)]
    for place, z in reversed(list(enumerate(_TREES_M))):
        x, wide, high = LEFT_KERB_M - 0.9, 4.4, 6.0
        corners = np.array(
            [(x - wide / 2, high, z), (x + wide / 2, high, z), (x + wide / 2, 0, z), (x - wide / 2, 0, z)], np.float32
        )
        trees[place % len(trees)].draw(image, lens.project(corners), light=0.9)


def _tree(rng: np.random.Generator) -> Canvas:
    canvas = Canvas(4.4, 6.0, 60)
    canvas.fill([(-0.11, 2.8), (0.11, 2.8), (0.15, 0), (-0.15, 0)], (74, 62, 50), (58, 48, 40))
    canvas.fill([(-0.6, 0.12), (0.6, 0.12), (0.6, 0), (-0.6, 0)], (96, 86, 70), (60, 54, 44))
    for _ in range(_LEAVES):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform() ** 0.4
        bulge = 1 + 0.18 * np.sin(5 * angle + 1) + 0.1 * np.sin(9 * angle)
        x, y = 1.75 * reach * bulge * np.cos(angle), 4.0 + 1.5 * reach * bulge * np.sin(angle)
        tone = 0.55 + 0.22 * (y - 3.0) + rng.uniform(-0.25, 0.25)
        size = rng.uniform(0.06, 0.2)
        canvas.ellipse(
            (x, y), (size, size * 0.7), (86 * tone, 104 * tone, 66 * tone), (52 * tone, 68 * tone, 44 * tone)
        )
    canvas.soften(0.02)
    return canvas
