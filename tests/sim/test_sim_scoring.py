import mujoco
import numpy as np

from podhand.core.poses import Pose, pose
from podhand.sim.scoring import StowOutcome, score
from podhand.sim.world import World
from tests.sim.sim_rig import Rig


def place(rig: Rig, name: str, X_bin_item: Pose) -> None:
    """Put an item somewhere and let it come to rest."""
    data = rig.workcell.plant.data
    X = rig.workcell.scene.X_world_bin @ X_bin_item
    joint = data.joint(name)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, X[:3, :3].reshape(9))
    joint.qpos[:] = [*X[:3, 3], *quat]
    joint.qvel[:] = 0.0
    rig.wait(300)


def gap_middle_y_m(rig: Rig) -> float:
    gaps = rig.workcell.world.gaps_m
    edges = sorted(
        (c.X_bin_item[1, 3] - c.size_m[1] / 2, c.X_bin_item[1, 3] + c.size_m[1] / 2)
        for c in rig.workcell.world.contents
    )
    y, best = -0.15, (0.0, 0.0)
    for low, high in [*edges, (0.15, 0.15)]:
        best = max(best, (low - y, (low + y) / 2))
        y = max(y, high)
    assert abs(best[0] - max(gaps)) < 0.01
    return best[1]


def roomy_rig() -> Rig:
    seed = next(s for s in range(50) if World.standard(s).gap_ratio > 1.3)
    return Rig.of(seed)


def test_an_item_left_at_the_infeed_is_unproductive() -> None:
    result = score(Rig.of(0).workcell)
    assert result.outcome is StowOutcome.UNPRODUCTIVE
    assert "infeed" in result.cause


def test_an_item_wholly_inside_is_a_success_and_a_protruding_one_a_defect() -> None:
    rig = roomy_rig()
    item = rig.workcell.world.item
    y, z = gap_middle_y_m(rig), item.height_m / 2 + 0.002
    place(rig, "item", pose(None, (item.length_m / 2 + 0.02, y, z)))
    result = score(rig.workcell)
    assert result.outcome is StowOutcome.SUCCESS, result.cause
    place(rig, "item", pose(None, (item.length_m / 2 - 0.05, y, z)))
    result = score(rig.workcell)
    assert result.outcome is StowOutcome.DEFECT
    assert "protrudes" in result.cause


def test_lost_items_and_neighbours_and_forces_are_defects() -> None:
    rig = roomy_rig()
    place(rig, "item", pose(None, (-0.5, 0.3, -0.3)))
    assert "dropped" in score(rig.workcell).cause
    rig = roomy_rig()
    content = rig.workcell.world.contents[0]
    place(rig, content.name, pose(None, (-0.3, 0.0, 0.0)))
    result = score(rig.workcell)
    assert result.outcome is StowOutcome.DEFECT
    assert result.neighbours_out == (content.name,)
    rig = roomy_rig()
    result = score(rig.workcell, over_force="force limit of sweep broken: 31 N over 20 N")
    assert (result.outcome, result.cause) == (StowOutcome.DEFECT, "force limit of sweep broken: 31 N over 20 N")
