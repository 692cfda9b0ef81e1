"""Motions: postures for every bin, joint paths, straight lines and whole stows, checked by independent means."""

import time
from itertools import pairwise, product
from math import ceil, pi

import coal
import numpy as np
import pytest

from podhand.core.arm_model import UR10E
from podhand.core.errors import PlanningError
from podhand.core.poses import FloatArray, Pose, pose, rotation_rpy
from podhand.core.tooling import Pod, StowTool
from podhand.planning.cell_model import CellModel, CellState, HeldItem, Obstacle, roll_pose
from podhand.planning.ik import Kinematics, solve_ik
from podhand.planning.motion import HOME_Q_RAD, PARK_Q_RAD, JointPath, LinePath, MotionPlanner, first_hit
from podhand.planning.stow_motions import StowMotionRequest, StowMotions, plan_stow_motions

BASE_TO_FACE_M = 1.30
BIN_FLOOR_M = 0.10
POD, TOOL = Pod(), StowTool()
ROLLS = (0.0, pi)


def bin_in_base(column: int) -> Pose:
    """The lift brings the base 0.10 m under the floor of the bin's row: rows differ in the floor's height only."""
    y = POD.X_world_bin(0, column)[1, 3]
    return pose(None, (BASE_TO_FACE_M, y, BIN_FLOOR_M))


def base_height(row: int) -> float:
    return float(POD.X_world_bin(row, 0)[2, 3]) - BIN_FLOOR_M


def state_of(column: int, row: int = 3, **changes: object) -> CellState:
    fields: dict[str, object] = {"opening_m": 0.10, **changes}
    return CellState(X_base_bin=bin_in_base(column), base_height_m=base_height(row), **fields)  # type: ignore[arg-type]


def request_of(column: int, row: int, roll: float, size_m: tuple[float, float, float]) -> StowMotionRequest:
    length, width, height = size_m
    X_base_bin = bin_in_base(column)
    x, y, z = (float(value) for value in X_base_bin[:3, 3])
    hold, above, park = (x - 0.012, y, z), (x - 0.012, y, z + 0.19), (0.80, y, -0.30)
    return StowMotionRequest(
        X_base_item=pose(None, (0.80, -0.95, 0.15 + height / 2)),
        item_size_m=(length, width, height),
        roll_rad=roll,
        receive_opening_m=width + 0.02,
        held_opening_m=width,
        X_base_bin=X_base_bin,
        base_height_m=base_height(row),
        entry_bin_m=(-0.015, -0.03, 0.070),
        sweep_end_bin_m=(-0.015, 0.03, 0.070),
        eject_bin_m=(-0.015, 0.01, 0.070),
        blade_extension_m=0.25,
        hook_opens_m=(park, (x - 0.11, y, -0.30), (x - 0.11, y, z + 0.19), above, hold),
        hook_closes_m=((x - 0.03, y, z), (x - 0.03, y, z + 0.19), (x - 0.11, y, z + 0.19), (x - 0.11, y, -0.30), park),
    )


@pytest.fixture(scope="module")
def cell() -> CellModel:
    return CellModel(UR10E, TOOL, POD)


@pytest.fixture(scope="module")
def planner(cell: CellModel) -> MotionPlanner:
    return MotionPlanner(cell)


def dense(waypoints_rad: FloatArray, step_rad: float = 0.01) -> FloatArray:
    pieces = []
    for a, b in pairwise(waypoints_rad):
        n = max(2, int(np.ceil(np.abs(b - a).max() / step_rad)) + 1)
        pieces.append(np.linspace(a, b, n))
    return np.concatenate(pieces)


class IndependentCheck:
    """Tool and held item against the pod's face, from the arm model's own forward kinematics and coal alone."""

    def __init__(self, X_base_bin: Pose, opening_m: float, held: HeldItem | None) -> None:
        self.parts = [
            (pose(None, (-0.33, 0.0, 0.0)), coal.Box(0.06, 0.22, 0.10)),
            (pose(None, (-0.15, opening_m / 2 + 0.006, 0.0)), coal.Box(0.30, 0.012, 0.11)),
            (pose(None, (-0.15, -opening_m / 2 - 0.006, 0.0)), coal.Box(0.30, 0.012, 0.11)),
        ]
        if held is not None:
            self.parts.append((pose(None, held.p_tool_item_m), coal.Box(*held.size_m)))
        self.walls = [
            (X_base_bin @ pose(None, (0.2, s * 0.65, 0.14)), coal.Box(0.4, 1.0, 2.0)) for s in (-1.0, 1.0)
        ] + [(X_base_bin @ pose(None, (0.2, 0.0, 0.14 + s * 0.64)), coal.Box(0.4, 0.3, 1.0)) for s in (-1.0, 1.0)]

    def distance_m(self, q_rad: FloatArray) -> float:
        X_base_tool = UR10E.flange(q_rad) @ TOOL.X_flange_tool
        distances = [
            coal.distance(part, _transform(X_base_tool @ X), wall, _transform(X_wall), coal.DistanceRequest(),
                          coal.DistanceResult())
            for (X, part), (X_wall, wall) in product(self.parts, self.walls)
        ]  # fmt: skip
        return float(min(distances))


def _transform(X: Pose) -> coal.Transform3s:
    return coal.Transform3s(X[:3, :3], X[:3, 3])


def test_inverse_kinematics_reaches_every_mouth_pose_of_all_bins_with_both_rolls(cell: CellModel) -> None:
    # All rows are alike: the lift follows the row.
    for column, roll in product(range(POD.columns), ROLLS):
        for x, y, z in product((-0.35, -0.2, -0.005), (-0.13, 0.0, 0.13), (0.05, 0.12)):
            X_base_tool = bin_in_base(column) @ roll_pose((x, y, z), roll)
            q = solve_ik(cell.kinematics, X_base_tool, HOME_Q_RAD)
            np.testing.assert_allclose(UR10E.flange(q) @ TOOL.X_flange_tool, X_base_tool, atol=2e-6)
            assert cell.kinematics.dexterity(q) > 0.15
            # One branch for the whole cell: a stow never has to reconfigure the arm.
            assert np.sign(np.sin(q[4])) == np.sign(np.sin(HOME_Q_RAD[4]))
            assert q[2] < 0.0


def test_closed_form_finds_the_posture_that_made_the_pose() -> None:
    kinematics = Kinematics(UR10E, TOOL.X_flange_tool)
    rng = np.random.default_rng(3)
    for _ in range(100):
        q = rng.uniform(-3.0, 3.0, 6)
        assert min(np.abs(found - q).max() for found in kinematics.solutions(kinematics.tool_pose(q), q)) < 1e-5


def test_solution_takes_the_turn_nearest_to_the_seed(cell: CellModel) -> None:
    X = cell.kinematics.tool_pose(HOME_Q_RAD)
    for turns in (-1.0, 0.0, 1.0):
        seed = HOME_Q_RAD + np.array([0.0, 0.0, 0.0, 0.0, 0.0, turns * 2 * pi])
        q = solve_ik(cell.kinematics, X, seed)
        assert np.all(q <= cell.kinematics.max_q_rad)
        if abs(seed[5]) < 2 * pi:
            np.testing.assert_allclose(q, seed, atol=1e-5)


@pytest.mark.parametrize(
    ("p_m", "words"),
    [
        ((2.5, 0.0, 0.2), r"out of reach of ur10e: the nearest place it reaches is \(1\.7.* m, 0\.[78]\d\d m away"),
        ((0.45, 0.0, 0.17), r"nearest place it reaches .* 0\.10\d m away"),
        ((0.0, 0.0, 3.0), r"m away; move the pose there, or move the base"),
    ],
)
def test_unreachable_pose_is_refused_in_words(cell: CellModel, p_m: tuple[float, float, float], words: str) -> None:
    with pytest.raises(PlanningError, match=words):
        solve_ik(cell.kinematics, roll_pose(p_m, 0.0), HOME_Q_RAD)


@pytest.mark.parametrize("q_rad", [HOME_Q_RAD, PARK_Q_RAD])
def test_home_and_park_are_free_with_the_largest_item_in_every_column(cell: CellModel, q_rad: FloatArray) -> None:
    held = HeldItem.received((0.30, 0.14, 0.20), 0.0)
    for column in range(POD.columns):
        nearest = cell.scene(state_of(column, row=0, held=held, opening_m=0.14)).nearest(q_rad)
        assert nearest.distance_m > 0.04, nearest


def test_parked_arm_leaves_the_cameras_view_of_every_bin_free() -> None:
    eyes_bin_m = [(-0.6, 0.0, 0.26), (-0.5, 0.22, 0.24), (-0.5, -0.22, 0.24), (-0.95, 0.22, 0.38), (-0.95, -0.22, 0.38)]
    rays = []
    for column, eye_bin, y, z in product(range(POD.columns), eyes_bin_m, (-0.15, 0.0, 0.15), (0.0, 0.28)):
        X_base_bin = bin_in_base(column)
        eye, corner = X_base_bin[:3, 3] + eye_bin, X_base_bin[:3, 3] + (0.0, y, z)
        ray = (corner - eye) / np.linalg.norm(corner - eye)
        side = np.cross((0.0, 0.0, 1.0), ray) / np.linalg.norm(np.cross((0.0, 0.0, 1.0), ray))
        X = pose(np.column_stack([ray, side, np.cross(ray, side)]), (eye + corner) / 2)
        size = (float(np.linalg.norm(corner - eye)), 0.01, 0.01)
        rays.append(Obstacle(name="camera's view", X_base_box=X, size_m=size))
    held = HeldItem.received((0.30, 0.14, 0.20), 0.0)
    scene = CellModel(UR10E, TOOL, POD, obstacles=tuple(rays)).scene(state_of(2, held=held, opening_m=0.14))
    assert scene.nearest(PARK_Q_RAD).distance_m > 0.03


def test_scene_names_the_bodies_that_touch(cell: CellModel) -> None:
    q = solve_ik(cell.kinematics, bin_in_base(2) @ roll_pose((0.10, 0.10, 0.07), 0.0), HOME_Q_RAD)
    contact = cell.scene(state_of(2)).nearest(q)
    assert contact.distance_m < 0.0
    assert contact.in_words() == "left paddle would touch the pod left of the bin"
    allowed = cell.scene(state_of(2), allowed_contacts=[("pod", "tool")]).nearest(q)
    assert allowed.distance_m > 0.0


def test_motion_bound_of_every_pair_holds(cell: CellModel) -> None:
    scene = cell.scene(state_of(1, held=HeldItem.received((0.2, 0.08, 0.1), 0.0)))
    rng = np.random.default_rng(5)
    for _ in range(40):
        q, step = rng.uniform(-2.0, 2.0, 6), rng.uniform(-0.05, 0.05, 6)
        change = np.abs(scene.clearances(q + step) - scene.clearances(q))
        # Depths of bodies inside each other are not Lipschitz to the last digit.
        apart = (scene.clearances(q) > 0.0) & (scene.clearances(q + step) > 0.0)
        assert np.all(change[apart] <= (scene.reach_m @ np.abs(step))[apart] + 1e-6)


def test_thin_wall_cannot_slip_between_samples(cell: CellModel) -> None:
    thin = Obstacle(name="glass", X_base_box=pose(None, (1.0, -0.3, 0.3)), size_m=(0.8, 0.0005, 0.6))
    scene = CellModel(UR10E, TOOL, POD, obstacles=(thin,)).scene(state_of(2))
    seeds = [solve_ik(cell.kinematics, roll_pose((0.95, y, 0.3), 0.0), HOME_Q_RAD) for y in (-0.7, 0.1)]
    hit = first_hit(scene, np.array(seeds), scene.margins(0.0))
    assert hit is not None
    assert "glass" in hit.in_words()


@pytest.mark.parametrize(("column", "roll"), list(product((0, 2, 4), ROLLS)))
def test_joint_path_from_infeed_to_bin_is_free_by_an_independent_check(
    planner: MotionPlanner, column: int, roll: float
) -> None:
    held = HeldItem.received((0.25, 0.09, 0.15), roll)
    state = state_of(column, held=held, opening_m=0.09)
    q_start = solve_ik(planner.cell.kinematics, roll_pose((0.93, -0.95, 0.30), roll), HOME_Q_RAD)
    X_goal = bin_in_base(column) @ roll_pose((-0.20, 0.02, 0.07), roll)
    path = planner.joint_path(q_start, X_goal, state)
    assert len(path.waypoints_rad) <= 4
    np.testing.assert_array_equal(path.waypoints_rad[0], q_start)
    np.testing.assert_allclose(planner.cell.kinematics.tool_pose(path.waypoints_rad[-1]), X_goal, atol=1e-5)
    check = IndependentCheck(bin_in_base(column), 0.09, held)
    assert min(check.distance_m(q) for q in dense(path.waypoints_rad, 0.03)) > 0.010
    scene = planner.cell.scene(state)
    needed = 0.8 * np.minimum(scene.margins(planner.clearance.free_m), scene.clearances(q_start)) - 2.5e-3
    for q in dense(path.waypoints_rad):
        assert np.all(scene.clearances(q) >= np.minimum(needed, 0.012))


def test_same_question_has_the_same_answer(cell: CellModel) -> None:
    wall = Obstacle(name="guard", X_base_box=pose(None, (0.85, -0.45, 0.35)), size_m=(0.9, 0.02, 0.7))
    blocked = CellModel(UR10E, TOOL, POD, obstacles=(wall,))
    q_start = solve_ik(cell.kinematics, roll_pose((0.93, -0.95, 0.30), 0.0), HOME_Q_RAD)
    X_goal = bin_in_base(1) @ roll_pose((-0.20, 0.0, 0.07), 0.0)
    paths = [MotionPlanner(blocked).joint_path(q_start, X_goal, state_of(1)) for _ in range(2)]
    np.testing.assert_array_equal(paths[0].waypoints_rad, paths[1].waypoints_rad)


def test_wall_in_between_is_avoided(cell: CellModel) -> None:
    wall = Obstacle(name="guard", X_base_box=pose(None, (0.85, -0.45, 0.25)), size_m=(0.9, 0.02, 0.5))
    blocked = CellModel(UR10E, TOOL, POD, obstacles=(wall,))
    q_start = solve_ik(cell.kinematics, roll_pose((0.93, -0.95, 0.30), 0.0), HOME_Q_RAD)
    path = MotionPlanner(blocked).joint_path(q_start, bin_in_base(1) @ roll_pose((-0.2, 0.0, 0.07), 0.0), state_of(1))
    assert path.found_by != "direct"
    scene = blocked.scene(state_of(1))
    guard = [k for k in range(scene.pairs) if scene.contact(k, 0.0, 0.0).second == "guard"]
    assert min(scene.clearances(q)[guard].min() for q in dense(path.waypoints_rad)) > 0.012


def test_wall_that_leaves_no_way_is_refused_in_words(cell: CellModel) -> None:
    wall = Obstacle(name="guard", X_base_box=pose(None, (1.1, -0.45, 0.9)), size_m=(1.2, 0.02, 2.5))
    side = Obstacle(name="guard", X_base_box=pose(None, (0.0, -0.55, 0.9)), size_m=(2.0, 0.02, 2.5))
    blocked = CellModel(UR10E, TOOL, POD, obstacles=(wall, side))
    start, goal = bin_in_base(4) @ roll_pose((-0.2, 0.0, 0.07), 0.0), bin_in_base(1) @ roll_pose((-0.2, 0.0, 0.07), 0.0)
    q_start = solve_ik(cell.kinematics, start, HOME_Q_RAD)
    with pytest.raises(PlanningError, match="guard"):
        MotionPlanner(blocked).joint_path(q_start, goal, state_of(1))


def test_goal_too_near_to_the_pod_is_refused(planner: MotionPlanner) -> None:
    X_goal = bin_in_base(2) @ roll_pose((0.05, 0.12, 0.07), 0.0)
    with pytest.raises(PlanningError, match=r"goal of the joint path: .* pod left of the bin"):
        planner.joint_path(HOME_Q_RAD, X_goal, state_of(2))


def test_straight_line_keeps_the_tool_on_the_line(planner: MotionPlanner) -> None:
    X_start = bin_in_base(0) @ roll_pose((-0.25, 0.05, 0.07), pi)
    X_goal = bin_in_base(0) @ roll_pose((-0.015, 0.05, 0.07), pi)
    line = planner.straight_line(X_start, X_goal, HOME_Q_RAD, state_of(0), tool_speed_m_s=0.5)
    assert line.length_m == pytest.approx(0.235)
    assert line.max_tool_speed_m_s > 0.5
    for q in dense(line.waypoints_rad):
        X = planner.cell.kinematics.tool_pose(q)
        assert np.abs(X[1:3, 3] - X_start[1:3, 3]).max() < 5e-4
        np.testing.assert_allclose(X[:3, :3], X_start[:3, :3], atol=1e-3)


def test_straight_line_refusals_say_what_and_where(planner: MotionPlanner) -> None:
    X_start = bin_in_base(2) @ roll_pose((-0.25, 0.0, 0.07), 0.0)
    into_wall = bin_in_base(2) @ roll_pose((0.02, 0.0, 0.03), 0.0)
    with pytest.raises(PlanningError, match=r"pod below the bin at \d+ % of the line"):
        planner.straight_line(X_start, into_wall, HOME_Q_RAD, state_of(2))
    with pytest.raises(PlanningError, match=r"too fast for .*; at most \d\.\d\d m/s"):
        planner.straight_line(
            X_start, bin_in_base(2) @ roll_pose((-0.02, 0.0, 0.07), 0.0), HOME_Q_RAD, state_of(2), tool_speed_m_s=8.0
        )
    with pytest.raises(PlanningError, match=r"cannot be followed|out of reach"):
        planner.straight_line(X_start, roll_pose((1.1, 0.0, 1.9), 0.0), HOME_Q_RAD, state_of(2))


@pytest.mark.parametrize(
    ("column", "row", "roll", "size_m"),
    [
        (0, 0, 0.0, (0.30, 0.10, 0.20)),
        (1, 7, pi, (0.12, 0.02, 0.09)),
        (2, 3, pi, (0.25, 0.08, 0.10)),
        (3, 5, 0.0, (0.06, 0.05, 0.05)),
        (4, 0, pi, (0.29, 0.09, 0.15)),
    ],
)
def test_whole_stow_is_planned(
    planner: MotionPlanner, column: int, row: int, roll: float, size_m: tuple[float, float, float]
) -> None:
    request = request_of(column, row, roll, size_m)
    begin = time.perf_counter()
    motions = plan_stow_motions(planner, PARK_Q_RAD, request)
    assert time.perf_counter() - begin < 5.0  # typically 0.15 s; a busy machine is no failure
    chain: list[JointPath | LinePath] = [
        motions.to_infeed,
        motions.forward,
        motions.lift,
        motions.to_bin,
        motions.approach,
    ]
    assert motions.sweep is not None
    assert motions.shift is not None
    chain += [motions.sweep, motions.shift, motions.retreat, motions.away, motions.to_park]
    for before, after in pairwise(chain):
        np.testing.assert_allclose(before.waypoints_rad[-1], after.waypoints_rad[0], atol=1e-4)
    np.testing.assert_array_equal(motions.to_park.waypoints_rad[-1], PARK_Q_RAD)
    for path in (motions.to_infeed, motions.to_bin, motions.to_park):
        assert len(path.waypoints_rad) <= 4
    _assert_clear_of_the_face(motions, request)


@pytest.mark.parametrize("column", [0, 2, 4])
def test_arm_and_hook_may_be_anywhere_on_their_ways_at_the_same_time(planner: MotionPlanner, column: int) -> None:
    request = request_of(column, 3, 0.0, (0.20, 0.06, 0.10))
    motions = plan_stow_motions(planner, PARK_Q_RAD, request)
    closes = (request.hook_opens_m[-1], *request.hook_closes_m)
    for path, way in ((motions.to_infeed, request.hook_opens_m), (motions.to_park, closes)):
        arm = dense(path.waypoints_rad, 0.1)
        for begin, end in pairwise(np.array(way)):
            for place in np.linspace(begin, end, 1 + ceil(np.linalg.norm(end - begin) / 0.03)):
                state = state_of(column, opening_m=request.held_opening_m, hook_way_m=(tuple(place),))
                scene = planner.cell.scene(state)
                assert min(scene.nearest(q).distance_m for q in arm) > 0.002


def _assert_clear_of_the_face(motions: StowMotions, request: StowMotionRequest) -> None:
    held = HeldItem.received(request.item_size_m, request.roll_rad)
    check = IndependentCheck(request.X_base_bin, request.held_opening_m, held)
    for path, least_m in ((motions.to_bin, 0.010), (motions.approach, 0.003)):
        assert min(check.distance_m(q) for q in dense(path.waypoints_rad, 0.05)) > least_m


def test_sweep_into_the_wall_is_refused(planner: MotionPlanner) -> None:
    request = request_of(2, 3, 0.0, (0.20, 0.06, 0.10))
    beyond = StowMotionRequest(**{**vars(request), "sweep_end_bin_m": (-0.015, -0.12, 0.07)})
    with pytest.raises(PlanningError, match=r"sweep: .*blade would .* pod right of the bin"):
        plan_stow_motions(planner, PARK_Q_RAD, beyond)


def test_tilted_bin_is_followed(planner: MotionPlanner) -> None:
    request = request_of(3, 2, 0.0, (0.20, 0.06, 0.10))
    tilted = request.X_base_bin @ pose(rotation_rpy(0.017, -0.017, 0.017))
    motions = plan_stow_motions(planner, HOME_Q_RAD, StowMotionRequest(**{**vars(request), "X_base_bin": tilted}))
    along = motions.approach.X_base_goal[:3, 3] - motions.approach.X_base_start[:3, 3]
    np.testing.assert_allclose(along / np.linalg.norm(along), tilted[:3, 0], atol=1e-6)
