"""Session and hosts on a plant of ideal axes: what is true of one host is true of all."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podhand.controllers.conditions import axis, ft, time, tool
from podhand.controllers.host import Host
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.outcomes import Cause
from podhand.controllers.realtime import Pace, RealtimeHost
from podhand.controllers.segments import (
    BAND_CHANNEL,
    AxisForce,
    JointProfile,
    Reflex,
    Segment,
    SegmentLimits,
    Target,
    Twist,
)
from podhand.controllers.trajectories import joint_limits, joint_move, joint_path, line
from podhand.core.errors import LimitError, MotionFault, StateError, StoppedByOperator
from podhand.core.exchange import Axis, Safety
from tests.unit.fake_plant import STATION, Contact, FakePlant, wall

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=20.0, speed_m_s=0.15)
_made: list[Host] = []
_kind = "lockstep"


@pytest.fixture(autouse=True, params=["lockstep", "realtime"])
def kind_of_host(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let ``make`` give one kind of host, then the other; close them all."""
    global _kind
    _kind = request.param
    yield
    while _made:
        _made.pop().close()


def make(contact: Contact | None = None, recording: Path | None = None) -> tuple[Host, FakePlant]:
    plant = FakePlant(contact=contact)
    host: Host
    if _kind == "lockstep":
        host = LockstepHost.for_station(plant, STATION, recording=recording)
    else:
        host = RealtimeHost.for_station(plant, STATION, recording=recording, pace=Pace.PLANT, priority=0)
    _made.append(host)
    return host, plant


def forward(speed_m_s: float = 0.05, **more: Any) -> Segment:
    return Segment(name="forward", arm=Twist(v_m_s=(speed_m_s, 0.0, 0.0)), limits=LIMITS, timeout_s=2.0, **more)


def rest(seconds: float, **more: Any) -> Segment:
    return Segment(name="rest", limits=LIMITS, timeout_s=seconds + 1.0, until={"up": time > seconds}, **more)


@pytest.fixture
def start_x_m() -> Iterator[float]:
    q = np.array(STATION.arm.home_q_rad)
    yield float((STATION.arm.kinematics.flange(q) @ STATION.tool.X_flange_tool)[0, 3])


def test_a_guarded_move_ends_by_contact(start_x_m: float) -> None:
    host, _ = make(wall(start_x_m + 0.03, 1000.0))
    chain = [forward(until={"contact": ft.force.norm > 8.0})]
    outcome = host.run(host.session.run(chain))
    assert (outcome.cause, outcome.name, outcome.segment) == (Cause.UNTIL, "contact", "forward")
    assert 8.0 < outcome.value < 9.0
    assert outcome.peak_force_norm_n < LIMITS.force_norm_n
    assert outcome.X_base_tool[0, 3] == pytest.approx(start_x_m + 0.03 + 0.0085, abs=0.003)
    assert "ended by 'contact' (|force| > 8 N; value 8." in outcome.in_words()


def test_a_reflex_is_not_a_normal_end(start_x_m: float) -> None:
    host, _ = make(wall(start_x_m + 0.02, 1000.0))
    chain = [forward(reflexes={"hit": Reflex(condition=ft.force.norm > 8.0, retreat_m=0.003)})]
    outcome = host.run(host.session.run(chain))
    assert (outcome.cause, outcome.name, outcome.ok) == (Cause.REFLEX, "hit", False)
    with pytest.raises(MotionFault, match="aborted by reflex 'hit'") as caught:
        outcome.require_normal()
    assert caught.value.outcome is outcome


def test_every_run_has_a_timeout() -> None:
    host, _ = make()
    outcome = host.run(host.session.run([forward(0.01)]))
    assert outcome.cause is Cause.TIMEOUT
    assert outcome.duration_s == pytest.approx(2.0, abs=0.002)


def test_chains_change_over_and_tell_every_segment() -> None:
    host, plant = make()
    chain = [
        rest(0.05),
        Segment(name="out", blade=Target(values=(0.1,), max_speed_m_s=0.3), limits=LIMITS, timeout_s=3.0),
        Segment(name="back", blade=Target(values=(0.02,), max_speed_m_s=0.3), limits=LIMITS, timeout_s=3.0),
    ]
    outcome = host.run(host.session.run(chain))
    assert [o.segment for o in outcome.all] == ["rest", "out", "back"]
    assert [o.cause for o in outcome.all] == [Cause.UNTIL, Cause.REACHED, Cause.REACHED]
    assert outcome.of_segment("out").q_end[Axis.BLADE] == pytest.approx(0.1, abs=1e-3)
    assert plant.q[Axis.BLADE] == pytest.approx(0.02, abs=1e-3)


def test_joint_paths_and_lines_arrive_where_they_should() -> None:
    host, plant = make()
    home = np.array(STATION.arm.home_q_rad)
    goal = home + np.array([0.2, -0.1, 0.15, 0.0, 0.05, -0.1])

    async def client() -> None:
        profiles = joint_path([home, 0.5 * (home + goal), goal], joint_limits(STATION))
        assert len(profiles) == 1
        moves = [Segment(name="move", arm=p, limits=LIMITS_FAST, timeout_s=5.0) for p in profiles]
        assert (await host.session.run(moves)).cause is Cause.REACHED
        np.testing.assert_allclose(plant.q[:6], goal, atol=1e-6)
        X = host.session.state.X_base_tool_cmd
        X_goal = X.copy()
        X_goal[:3, 3] += [0.05, 0.02, 0.0]
        path = line(X, X_goal, speed_m_s=0.1)
        assert (await host.session.run([Segment(name="line", arm=path, limits=LIMITS, timeout_s=5.0)])).ok
        np.testing.assert_allclose(host.session.state.X_base_tool_cmd, X_goal, atol=2e-4)
        late = await host.session.run([Segment(name="again", arm=path, limits=LIMITS, timeout_s=5.0)])
        assert late.cause is Cause.PRECONDITION
        assert "does not start where the arm is" in late.in_words()

    host.run(client())


LIMITS_FAST = SegmentLimits.for_station(STATION, force_norm_n=60.0, contact_stiffness_n_m=0.0, angular_speed_rad_s=6.0)


def test_profiles_are_continuous_and_within_limits() -> None:
    limits = joint_limits(STATION)
    start = np.zeros(6)
    profile: JointProfile = joint_move(start, np.array([1.0, -0.5, 0.3, 0.0, 2.0, -2.0]), limits)
    t = np.linspace(0.0, profile.duration_s, 4000)
    q = np.array([profile.sample(x) for x in t])
    np.testing.assert_allclose(q[-1], [1.0, -0.5, 0.3, 0.0, 2.0, -2.0], atol=1e-9)
    speed = np.diff(q, axis=0) / np.diff(t)[:, None]
    assert (np.abs(speed) <= limits.speed * (1 + 1e-6)).all()
    # In phase: straight in joint space.
    share = q[:, [0]] / 1.0
    np.testing.assert_allclose(q, share * q[-1], atol=1e-6)


def test_cancel_gives_the_client_an_outcome() -> None:
    host, _ = make()

    async def client() -> Cause:
        async def stopper() -> None:
            await host.session.wait(0.1)
            host.session.cancel(0)

        outcome, _ = await host.session.par(host.session.run([forward(0.05)]), stopper())
        assert outcome.duration_s == pytest.approx(0.1, abs=0.003)
        return Cause(outcome.cause)

    assert host.run(client()) is Cause.CANCELLED


def test_refused_chains_name_segment_and_rule() -> None:
    host, _ = make()

    async def client() -> None:
        limits = SegmentLimits.for_station(STATION, force_norm_n=500.0)
        with pytest.raises(LimitError, match=r"segment 1.*segments 0 'rest', 1 'much'"):
            await host.session.run([rest(0.1), Segment(name="much", limits=limits, timeout_s=1.0)])
        with pytest.raises(LimitError, match=r"segment 0 \('forward'\): at most 6 until"):
            await host.session.run([forward(until={str(i): time > i for i in range(7)})])
        with pytest.raises(LimitError, match="1 to 12 segments"):
            await host.session.run([])
        with pytest.raises(LimitError, match=r"'x' has 13 nodes"):
            too_long = tool.travel > 1.0
            for _ in range(6):
                too_long = too_long & (tool.travel > 1.0)
            await host.session.run([forward(until={"x": too_long})])

    host.run(client())


def test_a_busy_channel_refuses_a_second_client() -> None:
    host, _ = make()

    async def client() -> None:
        await host.session.par(host.session.run([rest(0.1)]), host.session.run([rest(0.1)]))

    with pytest.raises(StateError, match="channel 0 is running 'rest'"):
        host.run(client())


def band(x_m: float) -> list[Segment]:
    park = STATION.band_arm.park_base_m
    goal = Target(values=(x_m, park[1], park[2]), max_speed_m_s=0.3)
    return [Segment(name="hook", band_arm=goal, limits=LIMITS, timeout_s=3.0)]


def test_branches_run_side_by_side_the_same_way_every_time() -> None:
    def once() -> tuple[list[tuple[int, str]], np.ndarray[Any, Any]]:
        host, plant = make()
        told: list[tuple[int, str]] = []
        host.session.listen(lambda o: told.append((o.end_tick, o.segment)))

        async def arm() -> str:
            for _ in range(3):
                await host.session.run([rest(0.05)])
                await host.session.wait(0.0033)
            return "arm"

        async def hook() -> str:
            await host.session.run(band(0.92), channel=BAND_CHANNEL)
            await host.session.run(band(0.97), channel=BAND_CHANNEL)
            return "hook"

        async def client() -> list[str]:
            return list(await host.session.par(arm(), hook()))

        assert host.run(client()) == ["arm", "hook"]
        return told, plant.q.copy()

    (first, q1), (second, q2) = once(), once()
    assert first == second
    assert len(first) == 5
    np.testing.assert_array_equal(q1, q2)


def test_when_all_branches_fail_nothing_is_left_for_asyncio_to_report(caplog: pytest.LogCaptureFixture) -> None:
    host, _ = make()

    async def client() -> None:
        async def broken() -> None:
            await host.session.wait(0.1)
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await host.session.par(broken(), broken())

    host.run(client())
    gc.collect()
    assert not caplog.records


def test_when_a_branch_fails_the_other_comes_to_rest_first() -> None:
    host, plant = make()

    async def broken() -> None:
        await host.session.wait(0.1)
        raise ValueError("no")

    async def client() -> None:
        with pytest.raises(ValueError, match="no"):
            await host.session.par(host.session.run([forward(0.1)]), broken())
        assert host.session.state.running == (False, False)
        before = plant.q.copy()
        await host.session.wait(0.02)
        np.testing.assert_allclose(plant.q, before, atol=1e-9)
        await host.session.run([rest(0.02)])

    host.run(client())


def test_thinking_takes_no_time() -> None:
    import asyncio

    host, plant = make()

    async def client() -> int:
        await host.session.wait(0.01)
        before = plant.tick
        await asyncio.sleep(0.01)
        await asyncio.to_thread(lambda: None)
        return int(plant.tick - before)

    assert host.run(client()) == 0
    assert host.clock.now_s() == pytest.approx(host.ticks * 0.001)


def test_ctrl_c_stops_under_control_and_leaves_a_whole_recording(tmp_path: Path) -> None:
    from podhand.controllers.recorder import replay

    host, plant = make(recording=tmp_path / "recording.mcap")
    speeds: list[float] = []

    def observe(p: FakePlant) -> None:
        speeds.append(float(np.abs(p._qd[:6]).max()))
        if p.tick == 300:
            os.kill(os.getpid(), signal.SIGINT)

    plant.on_step = observe
    with pytest.raises(StoppedByOperator, match="brought to rest"), host:
        host.run(host.session.run([forward(0.1)]))
    assert max(speeds) > 0.02
    assert speeds[-1] < 1e-6
    # A stop, not a freeze: no step of the joint speeds is larger than the limits allow.
    assert np.abs(np.diff(speeds)).max() <= max(STATION.arm.max_acceleration_rad_s2) * 0.001 * 1.001
    assert replay(tmp_path / "recording.mcap").identical


def test_an_emergency_stop_is_latched_until_reset() -> None:
    host, plant = make()

    def press(p: FakePlant) -> None:
        p.safety = int(Safety.EMERGENCY_STOP) if 100 < p.tick < 200 else 0

    plant.on_step = press

    async def client() -> None:
        outcome = await host.session.run([forward(0.05)])
        assert outcome.cause is Cause.EMERGENCY_STOP
        with pytest.raises(LimitError, match="refused"):
            await host.session.run([rest(0.05)])
        await host.session.wait(0.3)
        host.session.reset_fault()
        assert (await host.session.run([rest(0.05)])).ok

    host.run(client())


def test_the_squeeze_axis_holds_a_force() -> None:
    host, plant = make()
    plant.item_width_m, plant.squeeze_stiffness_n_m = 0.06, 5000.0
    squeeze = AxisForce(force_n=-12.0, max_speed_m_s=0.05)
    gripped = ((abs(axis(Axis.SQUEEZE).force) > 10.0) & (abs(axis(Axis.SQUEEZE).speed) < 0.004)).for_(0.1)
    chain = [Segment(name="grip", squeeze=squeeze, limits=LIMITS, until={"gripped": gripped}, timeout_s=5.0)]
    outcome = host.run(host.session.run(chain))
    assert outcome.name == "gripped"
    assert 10.0 < -plant.tau[Axis.SQUEEZE] < 13.0
    assert plant.q[Axis.SQUEEZE] < 0.06
