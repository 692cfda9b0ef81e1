"""Every instruction set finds exactly the places that scipy and plain numpy find, at word borders and elsewhere."""

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from podhand.core.errors import PerceptionError
from podhand.perception import free_space
from podhand.perception.free_space import BitGrid, Mask

SETS = free_space.free_space_instruction_sets()
BORDERS = [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129, 191, 256, 449, 511, 512, 513, 577]
DENSITIES = [0.0, 1e-4, 1e-3, 0.02, 0.3, 1.0]


@pytest.fixture(params=SETS, autouse=True)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    before = free_space.free_space_instruction_set()
    free_space.use_free_space_instruction_set(request.param)
    yield request.param
    free_space.use_free_space_instruction_set(before)


def occupied(random: np.random.Generator, h: int, w: int) -> NDArray[np.uint8]:
    """Return an image in which occupied pixels have any nonzero value."""
    marked = random.random((h, w)) < random.choice(DENSITIES)
    return np.asarray(marked * random.integers(1, 256, (h, w)), np.uint8)


def sums(values: NDArray[np.generic], h: int, w: int) -> NDArray[np.float64]:
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    table[1:, 1:] = values.astype(np.float64).cumsum(0).cumsum(1)
    return np.asarray(table[h:, w:] - table[:-h, w:] - table[h:, :-w] + table[:-h, :-w])


def places(image: NDArray[np.uint8], h: int, w: int) -> NDArray[np.bool_]:
    return np.asarray(sums(image != 0, h, w) == 0.0)


def by_scipy(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    (h, w), (image_h, image_w) = mask.shape, image.shape
    least = scipy.ndimage.minimum_filter((image == 0).astype(np.uint8), footprint=mask, mode="constant")
    return np.asarray(least[h // 2 : image_h - (h - 1) // 2, w // 2 : image_w - (w - 1) // 2])


def assert_all_ways(image: NDArray[np.uint8], h: int, w: int) -> None:
    expected = places(image, h, w)
    grid = BitGrid(image)
    assert np.array_equal(free_space.placements(image, h, w), expected)
    assert np.array_equal(free_space.placements(grid, h, w), expected)
    packed = grid.placements(h, w)
    assert np.array_equal(packed.to_array(), expected)
    assert packed.count() == expected.sum()


def test_the_widest_set_is_chosen_first() -> None:
    assert SETS[-1] == "portable"
    assert len(set(SETS)) == len(SETS)


def test_random_shapes_are_exact() -> None:
    random = np.random.default_rng(3)
    for _ in range(400):
        h, w = int(random.integers(1, 160)), int(random.integers(1, 400))
        assert_all_ways(occupied(random, h, w), int(random.integers(1, h + 1)), int(random.integers(1, w + 1)))


@pytest.mark.parametrize("width", BORDERS)
def test_word_borders_are_exact(width: int) -> None:
    random = np.random.default_rng(width)
    for w in {1, width // 2 or 1, max(1, width - 1), width, *(n for n in (63, 64, 65, 128) if n <= width)}:
        for h in (1, 7, 8, 9, 20):
            assert_all_ways(occupied(random, 33, width), h, w)


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (64, 64), (90, 513)])
def test_empty_and_full_images(value: int, shape: tuple[int, int]) -> None:
    image = np.full(shape, value, np.uint8)
    for h, w in {(1, 1), shape, (1, shape[1]), (shape[0], 1)}:
        assert np.all(free_space.placements(image, h, w) == 1 - value)


@pytest.mark.parametrize("x", [0, 63, 64, 65, 127, 128, 199])
def test_one_occupied_pixel_takes_exactly_its_own_places(x: int) -> None:
    image = np.zeros((40, 200), np.uint8)
    image[20, x] = 1
    assert np.argwhere(free_space.placements(image, 1, 1) == 0).tolist() == [[20, x]]
    assert_all_ways(image, 9, 70)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 300), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 2**31 - 1)
)  # fmt: skip
def test_any_rectangle_is_exact(h: int, w: int, part_h: float, part_w: float, seed: int) -> None:
    image = occupied(np.random.default_rng(seed), h, w)
    assert_all_ways(image, max(1, round(part_h * h)), max(1, round(part_w * w)))


def test_random_masks_are_exact() -> None:
    random = np.random.default_rng(5)
    for n in range(150):
        h, w = int(random.integers(1, 120)), int(random.integers(1, 300))
        image = occupied(random, h, w)
        mask = random.random((min(h, int(random.integers(1, 40))), min(w, int(random.integers(1, 150))))) < 0.9
        if n % 2:
            mask[: mask.shape[0] // 2, : mask.shape[1] // 3] = False
        mask[-1, -1] = True
        prepared = Mask(mask)
        expected = by_scipy(image, mask)
        assert np.array_equal(free_space.placements_mask(image, prepared), expected)
        assert np.array_equal(BitGrid(image).placements_mask(prepared).to_array(), expected)


def test_rotated_and_bladed_masks_are_exact() -> None:
    image = occupied(np.random.default_rng(8), 200, 400)
    image[60:140, 100:300] = 0
    for angle_deg in (0.0, 15.0, 45.0, 90.0, 133.0):
        mask = free_space.rotated_rectangle(30, 20, np.deg2rad(angle_deg))
        assert np.array_equal(free_space.placements_mask(image, mask), by_scipy(image, covered(mask)))
    bladed = free_space.item_and_blade((30, 20), blade=(15, 4), lip=(2, 30))
    assert np.array_equal(free_space.placements_mask(image, bladed), by_scipy(image, covered(bladed)))


def test_a_rotated_rectangle_has_its_area() -> None:
    straight = covered(free_space.rotated_rectangle(61, 41, 0.0))
    assert straight.shape == (61, 41)
    assert straight.all()
    turned = covered(free_space.rotated_rectangle(60, 40, np.deg2rad(30.0)))
    assert turned.sum() == pytest.approx(60 * 40, rel=0.03)
    # Counter-clockwise as seen: the upper half of an upright rectangle leans to the left.
    middle = turned.shape[0] // 2
    assert np.nonzero(turned[:middle])[1].mean() < np.nonzero(turned[middle:])[1].mean() - 5.0


def covered(mask: Mask) -> NDArray[np.bool_]:
    pixels = np.zeros(mask.shape, np.bool_)
    for y, x, h, w in mask.rectangles:
        pixels[y : y + h, x : x + w] = True
    return pixels


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 90), st.floats(0.05, 1.0), st.integers(0, 2**31 - 1))
def test_the_cover_is_the_mask(h: int, w: int, density: float, seed: int) -> None:
    pixels = np.random.default_rng(seed).random((h, w)) < density
    pixels[h // 2, w // 2] = True
    assert np.array_equal(covered(Mask(pixels)), pixels)


def test_a_bladed_mask_needs_few_rectangles() -> None:
    assert len(free_space.item_and_blade((60, 40), blade=(30, 4), lip=(3, 60)).rectangles) < 15


def test_counts_are_exact() -> None:
    random = np.random.default_rng(7)
    for _ in range(60):
        h, w = int(random.integers(1, 200)), int(random.integers(1, 700))
        image = occupied(random, h, w)
        corners = np.stack([random.integers(0, h, 6), random.integers(0, w, 6)], 1)
        rest = np.array([h, w]) - corners
        bins = np.concatenate([corners, random.integers(1, rest + 1)], 1).astype(np.int32)
        sizes = np.stack([random.integers(1, 60, 9), random.integers(1, 200, 9)], 1).astype(np.int32)
        expected = [[count_by_numpy(image[y : y + a, x : x + b], *size) for size in sizes] for y, x, a, b in bins]
        assert free_space.count(image, bins, sizes).tolist() == expected
        assert free_space.count(BitGrid(image), bins, sizes).tolist() == expected


def count_by_numpy(image: NDArray[np.uint8], h: int, w: int) -> int:
    return 0 if h > image.shape[0] or w > image.shape[1] else int(places(image, h, w).sum())


def test_window_sums_and_minima() -> None:
    random = np.random.default_rng(9)
    for _ in range(80):
        h, w = int(random.integers(1, 90)), int(random.integers(1, 300))
        a, b = int(random.integers(1, h + 1)), int(random.integers(1, w + 1))
        values = random.random((h, w), np.float32)
        minima = scipy.ndimage.minimum_filter(values, (a, b), mode="nearest")
        crop = (slice(a // 2, h - (a - 1) // 2), slice(b // 2, w - (b - 1) // 2))
        assert np.array_equal(free_space.window_minima(values, a, b), minima[crop])
        assert np.allclose(free_space.window_sums(values, a, b), sums(values, a, b), rtol=2e-7)
        image = occupied(random, h, w)
        assert np.array_equal(free_space.window_sums(image, a, b), sums(image, a, b))


def test_an_infinite_cost_spoils_only_its_own_windows() -> None:
    values = np.ones((20, 90), np.float32)
    values[10, 40] = np.inf
    found = free_space.window_sums(values, 3, 5)
    assert np.isinf(found).sum() == 15
    assert np.all(found[np.isfinite(found)] == 15.0)


def test_depth_planes() -> None:
    depth_m = np.random.default_rng(4).random((70, 333), np.float32)
    depth_m[3, :5] = np.nan
    depth_m[4, :5] = 0.0
    needs_m = [0.1, 0.4, 0.9]
    for need_m, plane in zip(needs_m, free_space.depth_planes(depth_m, needs_m), strict=True):
        assert np.array_equal(plane.to_array(), depth_m >= np.float32(need_m))
    stacked = free_space.placements_planes(depth_m, needs_m, 4, 3)
    for need_m, found in zip(needs_m, stacked, strict=True):
        assert np.array_equal(found, places((~(depth_m >= np.float32(need_m))).astype(np.uint8), 4, 3))


def test_best_places_are_the_cheapest_free_ones() -> None:
    random = np.random.default_rng(6)
    image = (random.random((80, 200)) < 0.01).astype(np.uint8)
    free = places(image, 5, 9)
    cost = np.round(40.0 * random.random(free.shape)).astype(np.float32)
    order = sorted((float(cost[y, x]), int(y), int(x)) for y, x in np.argwhere(free))
    found = free_space.best_places(image, (5, 9), cost, k=12)
    assert [(p.cost, p.y, p.x) for p in found] == order[:12]
    assert free_space.best(image, (5, 9), cost) == found[0]
    mask = Mask(np.ones((5, 9), np.bool_))
    assert free_space.best_places(image, mask, cost, k=12) == found


def test_separated_places_keep_their_distance() -> None:
    cost = np.random.default_rng(2).random((60, 140)).astype(np.float32)
    found = free_space.best_places(np.zeros((60, 140), np.uint8), (1, 1), cost, k=10, separation_px=12)
    assert len(found) == 10
    assert [p.cost for p in found] == sorted(p.cost for p in found)
    for i, a in enumerate(found):
        assert all(max(abs(a.y - b.y), abs(a.x - b.x)) >= 12 for b in found[:i])


def test_nowhere_is_none() -> None:
    assert free_space.best(np.ones((9, 9), np.uint8), (2, 2), np.zeros((8, 8), np.float32)) is None


def test_results_go_where_they_are_wanted() -> None:
    image = occupied(np.random.default_rng(1), 50, 130)
    out = np.full((41, 101), 9, np.uint8)
    assert free_space.placements(image, 10, 30, out=out) is out
    assert np.array_equal(out, places(image, 10, 30))
    grid = BitGrid.all_occupied(41, 101)
    assert BitGrid(image).placements(10, 30, out=grid) is grid
    assert np.array_equal(grid.to_array(), out)


IMAGE = np.zeros((20, 30), np.uint8)
BINS = np.array([[0, 0, 20, 30]], np.int32)
SIZES = np.array([[2, 2]], np.int32)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: free_space.placements(IMAGE, 21, 1), "allowed 1 x 1 up to the image's 20 x 30"),
        (lambda: free_space.placements(IMAGE, 1, 31), "got 1 x 31"),
        (lambda: free_space.placements(IMAGE, 0, 3), "got 0 x 3"),
        (lambda: free_space.placements(IMAGE, -1, 3), "got -1 x 3"),
        (lambda: BitGrid(IMAGE).placements(21, 1), "got 21 x 1"),
        (lambda: free_space.placements(IMAGE.astype(np.int32), 1, 1), "shape (20, 30) of int32"),  # type: ignore[arg-type]
        (lambda: free_space.placements(IMAGE[0], 1, 1), "needs a C-contiguous array (h, w)"),
        (lambda: free_space.placements(IMAGE[:, ::2], 1, 1), "numpy.ascontiguousarray"),
        (lambda: free_space.placements(np.zeros((0, 5), np.uint8), 1, 1), "shape (0, 5)"),
        (lambda: free_space.placements([[0]], 1, 1), "got list"),  # type: ignore[arg-type]
        (lambda: free_space.placements(IMAGE, 2, 2, out=np.zeros((20, 30), np.uint8)), "(19, 29) of uint8"),
        (lambda: BitGrid(IMAGE).placements(2, 2, out=BitGrid(IMAGE)), "needs 19 x 29"),
        (lambda: BitGrid(IMAGE).placements(2, 2, out=IMAGE), "needs a BitGrid"),  # type: ignore[arg-type]
        (lambda: BitGrid.all_occupied(0, 4), "got 0 x 4"),
        (lambda: BitGrid.all_occupied(4, 40000), "allowed 1..32768"),
        (lambda: Mask(np.zeros((3, 4), np.bool_)), "no pixel of 3 x 4"),
        (lambda: Mask(np.ones(3, np.bool_)), "mask: got shape (3,) of bool"),
        (lambda: free_space.placements_mask(IMAGE, Mask(np.ones((21, 2), np.bool_))), "got 21 x 2"),
        (lambda: free_space.count(IMAGE, BINS, SIZES.astype(np.int64)), "sizes: got shape (1, 2) of int64"),
        (lambda: free_space.count(IMAGE, BINS[0], SIZES), "bins: got shape (4,)"),
        (lambda: free_space.count(IMAGE, BINS + np.int32(1), SIZES), "bins[0]: got (y, x, h, w) = (1, 1, 21, 31)"),
        (lambda: free_space.count(IMAGE, np.array([[0, 0, 0, 5]], np.int32), SIZES), "at least 1 x 1"),
        (lambda: free_space.count(IMAGE, np.array([[-1, 0, 2, 5]], np.int32), SIZES), "(-1, 0, 2, 5)"),
        (lambda: free_space.count(IMAGE, BINS, np.array([[2, 0]], np.int32)), "sizes[0]: got 2 x 0"),
        (lambda: free_space.window_sums(IMAGE.astype(np.float64), 1, 1), "float32 or uint8"),  # type: ignore[arg-type]
        (lambda: free_space.window_sums(IMAGE, 1, 31), "got 1 x 31"),
        (lambda: free_space.window_minima(np.full((2, 2), np.nan, np.float32), 1, 1), "values: contains NaN"),
        (lambda: free_space.depth_planes(IMAGE, [0.1]), "depth_m: got shape (20, 30) of uint8"),  # type: ignore[arg-type]
        (lambda: free_space.depth_planes(IMAGE.astype(np.float32), [0.0]), "must be above 0 m"),
        (lambda: free_space.placements_planes(IMAGE.astype(np.float32), [], 1, 1), "needs at least one"),
        (lambda: free_space.best(IMAGE, (2, 2), np.zeros((20, 30), np.float32)), "one value per place, (19, 29)"),
        (lambda: free_space.best(IMAGE, (20, 30), np.full((1, 1), np.nan, np.float32)), "cost: contains NaN"),
        (lambda: free_space.best_places(IMAGE, (20, 30), np.zeros((1, 1), np.float32), k=0), "k: got 0"),
        (lambda: free_space.rotated_rectangle(0.0, 3.0, 0.1), "sides must be at least 1"),
        (lambda: free_space.rotated_rectangle(5.0, 3.0, float("nan")), "all finite"),
        (lambda: free_space.item_and_blade((0, 3), (1, 1)), "item: got 0 x 3"),
        (lambda: free_space.use_free_space_instruction_set("sse9"), 'got "sse9"'),
    ],
)
def test_what_cannot_be_used_is_said_in_one_clear_error(call, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PerceptionError) as raised:
        call()
    assert said in str(raised.value)
