import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.models.images import PLACEMENTS, Placement
from astraea.models.metadata import Fit

Size = tuple[int, int]
images = st.tuples(st.integers(1, 4000), st.integers(1, 4000))  # width and height
inputs = st.tuples(st.integers(8, 1000), st.integers(8, 1000))
fits = st.sampled_from(sorted(PLACEMENTS))


@given(images, inputs)
def test_a_letterbox_fills_one_side_and_centres_the_other(image: Size, into: Size) -> None:
    placement = Placement.letterbox(*image, *into)
    inside = round(image[0] * placement.scale_x), round(image[1] * placement.scale_y)
    assert inside[0] == into[0] or inside[1] == into[1]
    for used, side, start in zip(inside, into, (placement.left, placement.top), strict=True):
        assert 1 <= used <= side
        assert start == (side - used) // 2


@given(images, inputs)
def test_a_letterbox_keeps_proportions_to_the_pixel(image: Size, into: Size) -> None:
    placement = Placement.letterbox(*image, *into)
    exact = min(into[0] / image[0], into[1] / image[1])
    for scale, side in zip((placement.scale_x, placement.scale_y), image, strict=True):
        assert abs(scale * side - max(1, exact * side)) <= 0.5 + 1e-9


@given(fits, images, inputs, st.data())
def test_boxes_find_their_way_back(fit: Fit, image: Size, into: Size, data: st.DataObject) -> None:
    placement = PLACEMENTS[fit](*image, *into)
    x1, x2, y1, y2 = (data.draw(st.floats(0, side)) for side in (image[0], image[0], image[1], image[1]))
    box = np.array([[x1, y1, x2, y2]])
    there = box * ([placement.scale_x, placement.scale_y] * 2) + [placement.left, placement.top] * 2
    assert (there >= -1e-6).all()
    assert (there[:, ::2] <= into[0] + 1e-6).all()
    assert (there[:, 1::2] <= into[1] + 1e-6).all()
    back = placement.to_image(there.astype(np.float32))
    # A float32 of up to 1000 input pixels is exact to 3e-5 of them.
    np.testing.assert_allclose(back, box, atol=1e-4 / min(placement.scale_x, placement.scale_y))


@pytest.mark.parametrize(("width", "height"), [(640, 360), (100, 300), (33, 17), (1, 4000), (320, 320)])
@pytest.mark.parametrize("fit", sorted(PLACEMENTS))
def test_an_image_lies_where_its_placement_says(fit: Fit, width: int, height: int) -> None:
    placement = PLACEMENTS[fit](width, height, 320, 160)
    image = np.zeros((height, width, 3), np.uint8)
    image[...] = (255, 0, 51)
    (pixels,) = placement.apply(image)
    assert pixels.shape == (3, 160, 320)
    assert pixels.dtype == np.float32
    right = placement.left + round(width * placement.scale_x)
    bottom = placement.top + round(height * placement.scale_y)
    inside = np.zeros((160, 320), bool)
    inside[placement.top : bottom, placement.left : right] = True
    np.testing.assert_allclose(pixels[:, inside], np.array([[1], [0], [0.2]]) * np.ones(inside.sum()), atol=1e-6)
    np.testing.assert_allclose(pixels[:, ~inside], 114 / 255)
