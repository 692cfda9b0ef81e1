"""Standing things up: the geometry, the primitive on a plant of ideal axes, and what the planner finds in a bin."""

from math import cos, pi, radians, sin
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from podhand.controllers.lockstep import LockstepHost
from podhand.core.exchange import Axis
from podhand.core.poses import FloatArray, Pose, pose
from podhand.primitives.base import PrimitiveReport, Result
from podhand.primitives.cell import StowCell
from podhand.primitives.turning import BladeSection, FlipUp, mouth_pose, section_of
from tests.unit.fake_plant import STATION, FakePlant

TOOL, OPENING_M, LEAN_RAD = STATION.tool, 0.10, radians(40.0)
HOME = np.array(STATION.arm.home_q_rad)
X_HOME: Pose = STATION.arm.kinematics.flange(HOME) @ TOOL.X_flange_tool
FLIP = FlipUp(direction=1, support_y_m=0.15, width_m=0.14, height_m=0.045)
EDGE_S_M = 0.15 - 0.14


@given(
    s_m=st.floats(-0.1, 0.1), z_m=st.floats(0.0, 0.2), lean=st.floats(0.3, 1.56),
    direction=st.sampled_from((-1, 1)), opening_m=st.floats(0.02, 0.16),
)  # fmt: skip
def test_mouth_pose_holds_the_blade_where_it_is_wanted(
    s_m: float, z_m: float, lean: float, direction: int, opening_m: float
) -> None:
    wanted = BladeSection(s_m=s_m, z_m=z_m, lean_rad=lean)
    X = mouth_pose(wanted, direction, x_m=-0.02, opening_m=opening_m, tool=TOOL)
    # The blade's lower edge in the tool, whichever way the tool is rolled.
    low = -TOOL.blade_half_height_m * (1.0 if direction > 0 else -1.0)
    edge = X @ np.array([0.0, TOOL.blade_offset_m(opening_m), low, 1.0])
    assert edge[1:3] == pytest.approx([direction * s_m, z_m], abs=1e-9)
    found = section_of(X, direction, opening_m=opening_m, tool=TOOL)
    assert (found.s_m, found.z_m, found.lean_rad) == pytest.approx((s_m, z_m, lean), abs=1e-9)


@given(angle=st.floats(radians(20.0), radians(89.0)))
def test_blade_lies_flush_under_the_turned_item(angle: float) -> None:
    blade = FLIP._flush(angle, 0.0)
    # The item's lower face: from its foot on the floor, where the far upper edge touches the support, outwards.
    foot = 0.15 - FLIP.height_m * sin(angle)
    for way in (0.0, 0.09):
        s, z = blade.s_m - way * cos(blade.lean_rad), blade.z_m + way * sin(blade.lean_rad)
        off = (s - foot) * sin(angle) + z * cos(angle)
        assert 0.0 <= off <= 0.0035, "it presses a little, and never leaves the item"
    assert blade.z_m + 0.09 * sin(angle) < STATION.pod.bin_height_m - 0.01


def test_path_goes_in_and_up_and_ends_upright() -> None:
    path = FLIP.sections(LEAN_RAD)
    leans = [one.lean_rad for one in path]
    turns = leans.index(min(leans))
    assert leans[: turns + 1] == sorted(leans[: turns + 1], reverse=True)
    assert leans[turns:] == sorted(leans[turns:])
    assert leans[-1] == pytest.approx(radians(89.0))
    heights = [one.z_m for one in path]
    assert heights[0] > 0.0
    assert max(heights) == heights[-1] > FLIP.width_m / 2


# ---- on the fake plant ------------------------------------------------------------------------------------------


def entry_joints(X_base_bin: Pose, z_m: float) -> FloatArray:
    """Joint positions near home with the blade leaning beside the item."""
    section = BladeSection(s_m=EDGE_S_M - 0.005, z_m=z_m, lean_rad=LEAN_RAD)
    X = X_base_bin @ mouth_pose(section, 1, x_m=-0.022, opening_m=OPENING_M, tool=TOOL)
    arm = STATION.arm.kinematics

    def miss(q: FloatArray) -> FloatArray:
        return np.asarray((arm.flange(q) @ TOOL.X_flange_tool - X)[:3]).ravel()

    fit = least_squares(miss, HOME, xtol=1e-12)
    assert fit.cost < 1e-12
    return np.asarray(fit.x)


class Shelf:
    """A floor, and an item that pushes back at its edge and falls silent when it stands."""

    def __init__(self, X_base_bin: Pose, *, push_n: float = 6.0, stands: bool = True, hard: bool = False) -> None:
        self.X_bin_base = np.linalg.inv(X_base_bin)
        self.R = X_base_bin[:3, :3]
        self.push_n, self.stands, self.hard = push_n, stands, hard

    def __call__(self, p_base_tool_m: FloatArray, q: FloatArray) -> FloatArray:
        X_bin_tool = self.X_bin_base @ STATION.arm.kinematics.flange(q[:6]) @ TOOL.X_flange_tool
        blade = section_of(X_bin_tool, 1, opening_m=OPENING_M, tool=TOOL)
        floor_n = 1500.0 * max(0.0, -blade.z_m)
        in_m = blade.s_m - EDGE_S_M
        side_n = 0.0
        if blade.lean_rad > radians(85.0):
            at_m = FLIP.sections()[-1].s_m + 0.004
            side_n = 1500.0 * max(0.0, blade.s_m - at_m) if self.stands else 0.0
        elif in_m > 0.0:
            side_n = 4000.0 * in_m if self.hard else min(4000.0 * in_m, self.push_n * cos(blade.lean_rad))
        return np.asarray(self.R @ np.array([0.0, -side_n, floor_n]))


class Bench:
    def __init__(self, *, floor_below_m: float = 0.0, **shelf: Any) -> None:
        self.X_base_bin = pose(None, X_HOME[:3, 3] + [0.05, 0.0, -0.08])
        self.plant = FakePlant(contact=Shelf(self.X_base_bin, **shelf), noise_n=0.02)
        self.plant._home = entry_joints(self.X_base_bin, 0.006 + floor_below_m)
        self.host = LockstepHost.for_station(self.plant, STATION)
        self.plant.q[Axis.BLADE] = self.plant._command[Axis.BLADE] = 0.25
        self.plant._measure()
        self.cell = StowCell(session=self.host.session, station=STATION, X_base_bin=self.X_base_bin)

    def run(self, flip: FlipUp, *, undo: bool = False) -> tuple[PrimitiveReport, PrimitiveReport | None]:
        async def client() -> tuple[PrimitiveReport, PrimitiveReport | None]:
            report = await flip.run(self.cell)
            return report, await flip.undo(self.cell) if undo else None

        return self.host.run(client())

    @property
    def blade(self) -> BladeSection:
        X_bin_tool = np.linalg.inv(self.X_base_bin) @ self.host.session.state.X_base_tool_cmd
        return section_of(X_bin_tool, 1, opening_m=OPENING_M, tool=TOOL)


def test_stands_up_and_takes_the_blade_off() -> None:
    bench = Bench()
    report, undone = bench.run(FLIP, undo=True)
    assert report.ok, report.words
    assert "95 mm of width won" in report.words
    assert report.data["angle_rad"] == pytest.approx(pi / 2)
    assert report.data["after_n"] < 1.0
    assert report.max_force_ratio < 1.0
    assert undone is None, "an item that stands is left standing"
    assert bench.cell.swept == 0


def test_too_heavy_is_given_up_and_the_blade_comes_out_again() -> None:
    bench = Bench(hard=True)
    report, undone = bench.run(FLIP, undo=True)
    assert report.result is Result.FAILED
    assert "too heavy" in report.words
    assert report.max_force_ratio <= 1.0
    assert undone is not None and undone.ok, undone
    assert bench.blade.s_m == pytest.approx(EDGE_S_M - 0.006, abs=0.001)
    assert bench.blade.lean_rad == pytest.approx(LEAN_RAD, abs=0.02)
    assert bench.cell.swept == 0


def test_missing_item_at_the_end_is_a_slip() -> None:
    bench = Bench(stands=False)
    report, undone = bench.run(FLIP, undo=True)
    assert report.result is Result.FAILED
    assert "slipped" in report.words
    assert undone is not None and undone.ok


def test_no_floor_ends_it() -> None:
    report, _ = Bench(floor_below_m=0.012).run(FLIP)
    assert report.result is Result.FAILED
    assert "no floor" in report.words


def test_refused_before_anything_moves() -> None:
    bench = Bench()
    for flip, words in (
        (FLIP.model_copy(update={"max_force_n": 30.0}), "may only tighten"),
        (FLIP.model_copy(update={"width_m": 0.27, "height_m": 0.12}), "does not turn under a ceiling"),
        (FLIP.model_copy(update={"width_m": 0.20}), "beyond the item's edge"),
        (FLIP.model_copy(update={"direction": -1}), "must lean"),
    ):
        report, _ = bench.run(flip)
        assert report.result is Result.REFUSED
        assert words in report.words
        assert not report.moved


def test_preview_tells_the_way() -> None:
    bench = Bench()
    bench.run(FLIP.model_copy(update={"max_force_n": 30.0}))
    preview = FLIP.preview(bench.cell)
    assert "stands an item of 140 x 45 mm up to the left" in preview.words
    assert len(preview.path_base_m) == 1 + len(FLIP.sections())
    assert 4.0 < preview.duration_s < 20.0
    assert preview.force_limit_n == STATION.forces.sweep_n
