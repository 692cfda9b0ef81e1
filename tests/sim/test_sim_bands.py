import numpy as np
import pytest

from tests.sim.sim_rig import Rig

FREE_Y_M = 0.125
FREE_Z_M = 0.010


def highest_inside_m(rig: Rig) -> float:
    """Height of the bands over the free width of the bin."""
    ys = np.linspace(-FREE_Y_M, FREE_Y_M, 21)
    heights = []
    for nodes in rig.workcell.truth().band_nodes_m:
        heights += [float(np.interp(y, nodes[::-1, 1], nodes[::-1, 2])) for y in ys]
    return max(heights)


# Off the bands' plane as much as registration may err.
@pytest.mark.parametrize(("seed", "off_m"), [(0, 0.0), (1, -0.005), (2, 0.005), (4, 0.0), (7, 0.003), (11, -0.003)])
def test_hook_holds_both_bands_down_and_lets_them_go(seed: int, off_m: float) -> None:
    rig = Rig.of(seed)
    start = rig.workcell.band_start_m
    p = rig.band_point() + np.array([off_m, 0, 0])
    for offset in ((-0.10, 0, -0.25), (-0.10, 0, 0.21), (0, 0, 0.21), (0, 0, -0.005)):
        rig.hook(p + np.array(offset))
    rig.wait(200)
    assert highest_inside_m(rig) < FREE_Z_M
    pull = float(rig.inputs["tau"][13])
    assert -80.0 < pull < -20.0
    rig.wait(500)
    assert highest_inside_m(rig) < FREE_Z_M
    for offset in ((0, 0, 0.21), (-0.10, 0, 0.21)):
        rig.hook(p + np.array(offset))
    rig.wait(600)  # their swinging takes half a second to fade
    for nodes, rest in zip(rig.workcell.truth().band_nodes_m, start, strict=True):
        assert np.abs(nodes - rest).max() < 0.005


def test_contents_stand_still_while_the_cell_settles() -> None:
    for seed in range(12):
        rig = Rig.of(seed)
        rig.wait(200)
        for body, content in zip(rig.workcell.truth().contents, rig.workcell.world.contents, strict=True):
            assert np.abs(body.X_bin_item[:3, 3] - content.X_bin_item[:3, 3]).max() < 0.002, seed
            turned = content.X_bin_item[:3, :3].T @ body.X_bin_item[:3, :3]
            assert np.trace(turned) > 2.998, seed  # less than 2.6 degrees
