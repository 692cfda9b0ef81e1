"""``podhand ft calibrate``, ``tare`` and ``watch``: the force/torque sensor and the tool behind it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

import podhand
from podhand.app.ft_poses import MeasuringPose, cell_state, plan_tour
from podhand.app.recovering import nominal_cell
from podhand.app.shell import check_json_target, console, write_json
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.ft_identification import (
    Identified,
    Judgement,
    QualityBounds,
    Standstill,
    identify,
    judge,
    weight_of,
)
from podhand.controllers.ft_watch import DriftReport, DriftState, DriftWatch, TareBounds
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.loop_delay import LoopDelay, measure_loop_delay
from podhand.controllers.parameters import GRAVITY_M_S2, build_id, empty_tool
from podhand.controllers.session import CellState
from podhand.core.errors import ConfigError, DeviceError, MotionFault, StateError
from podhand.core.ft_calibration import (
    CalibratedTool,
    CalibrationQuality,
    FtCalibration,
    Provenance,
    Tare,
    Wrench,
    load_ft_calibration,
    save_ft_calibration,
)
from podhand.core.poses import FloatArray
from podhand.core.station import Station, load_station
from podhand.planning.motion import MotionPlanner
from podhand.planning.thinking import make_planner
from podhand.primitives import motions
from podhand.primitives.base import Trace, Unsuccessful
from podhand.primitives.cell import StowCell
from podhand.primitives.ft_measuring import (
    X_base_sensor,
    rest_and_read,
    shake,
    shake_goals,
    tare,
    unmet,
    watch_drift,
    zero_guards,
)
from podhand.sim.workcell import SimWorkcell

T = TypeVar("T")
_TARE_S = 0.5
_SAME_PLACE_RAD = 0.05


@dataclass(frozen=True, kw_only=True)
class CalibrateJob:
    """What ``podhand ft calibrate`` was asked for."""

    out: Path
    station: str = "sim-stow"
    seed: int = 1
    fit_poses: int = 12
    verification_poses: int = 4
    rest_s: float = 0.5
    """The sensor is read for so long at each pose."""
    speed_scale: float = 0.4
    """Of the ways between."""
    json_target: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Everything that was read in one calibration."""

    poses: tuple[MeasuringPose, ...]
    stands: tuple[Standstill, ...]
    delay: LoopDelay
    opening_m: float
    blade_m: float

    def of_fit(self) -> list[Standstill]:
        """The rests that the model is fitted to."""
        return [stand for pose, stand in zip(self.poses, self.stands, strict=True) if not pose.verification]

    def of_verification(self) -> list[Standstill]:
        """The others."""
        return [stand for pose, stand in zip(self.poses, self.stands, strict=True) if pose.verification]


# ---- calibrate --------------------------------------------------------------------------------------------------


def run_ft_calibrate(job: CalibrateJob) -> FtCalibration:
    """Measure, identify, judge, write the file, and tell.

    Raises:
        ConfigError: the station or a target cannot be used; nothing was started.
        StateError: the tool is not empty; nothing has moved.
        PlanningError: the arm has too little room; nothing has moved.
        MotionFault: a limit or fault ended a motion; the arm stands where it was.
        DeviceError: the calibration was refused, with every finding; the arm is back where it began, nothing was
            written.
    """
    check_json_target(job.json_target)
    _check_out(job.out)
    station = load_station(job.station)
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=job.seed, index=0))
    world = f"{workcell.world.version}, seed {job.seed}"
    calibration = calibrate(workcell, station, job, world=world, tell=_tell_pose)
    save_ft_calibration(calibration, job.out)
    _tell(calibration, station, job.out)
    write_json(calibration.model_dump(mode="json"), job.json_target)
    return calibration


def calibrate(
    workcell: SimWorkcell,
    station: Station,
    job: CalibrateJob,
    *,
    world: str = "",
    tell: Callable[[int, Standstill], None] | None = None,
    attach: Callable[[LockstepHost], None] | None = None,
) -> FtCalibration:
    """Calibrate the sensor of a workcell; see ``run_ft_calibrate`` for what it raises.

    ``tell`` hears of every rest; ``attach`` gets the host before anything moves.
    """
    planner = make_planner(station)
    with LockstepHost.for_station(workcell.plant, station) as host:
        if attach:
            attach(host)
        cell = nominal_cell(host, station, workcell)
        height_m = float(workcell.X_world_base[2, 3])
        measured = host.run(_guarded(cell, lambda trace: _measure(trace, planner, job, height_m, tell)))
    bounds = quality_bounds(station)
    fitted, others = measured.of_fit(), measured.of_verification()
    model = identify(fitted)
    nominal = empty_tool(station)
    verdict = judge(
        model, fitted, others, bounds, mass_kg=float(nominal["mass_kg"]), com_sensor_m=np.array(nominal["com_sensor_m"])
    )
    if not verdict.ok:
        raise DeviceError("calibration refused, nothing was written: " + "; ".join(verdict.findings))
    return _document(station, measured, model, verdict, bounds, world)


def quality_bounds(station: Station) -> QualityBounds:
    """Return what a calibration of a station's sensor must keep."""
    return QualityBounds(range_force_n=station.ft.range_force_n, range_torque_n_m=station.ft.range_torque_n_m)


async def _measure(
    trace: Trace,
    planner: MotionPlanner,
    job: CalibrateJob,
    base_height_m: float,
    tell: Callable[[int, Standstill], None] | None,
) -> Measured:
    """Visit the poses, read, come back, shake. Raises as ``run_ft_calibrate``."""
    cell, force_n = trace.cell, trace.cell.station.forces.transfer_n
    await cell.session.wait(cell.session.tick_s)
    if findings := unmet(cell):
        raise StateError("; ".join(findings))
    state = cell_state(cell, base_height_m)
    start = np.array(cell.arm_q())
    tour = plan_tour(
        planner, cell.station, state, start, fit_poses=job.fit_poses, verification_poses=job.verification_poses
    )
    X_start = planner.cell.kinematics.tool_pose(start)
    for X_goal in shake_goals(cell.station, X_start).values():
        planner.straight_line(X_start, X_goal, start, state)
    await _zero(trace)
    stands = []
    for k, pose in enumerate(tour.poses):
        await _go(trace, pose.waypoints_rad, job.speed_scale, force_n)
        rest = await rest_and_read(trace, pose.name, seconds=job.rest_s, force_n=force_n)
        stands.append(rest.stand)
        if tell:
            tell(k, rest.stand)
    await _go(trace, tour.back_rad, job.speed_scale, force_n)
    courses = await shake(trace, force_n=force_n)
    try:
        delay = measure_loop_delay(courses, mass_kg=float(empty_tool(cell.station)["mass_kg"]))
    except ValueError as error:
        raise DeviceError(f"calibration refused, nothing was written: {error}") from error
    return Measured(poses=tour.poses, stands=tuple(stands), delay=delay, opening_m=cell.opening_m, blade_m=cell.blade_m)


async def _zero(trace: Trace) -> None:
    """Let the kernel's guards count from what is felt now; too much is no bias."""
    station = trace.cell.station
    rest = await rest_and_read(trace, "start", seconds=0.2, force_n=station.safety.max_force_norm_n)
    felt = rest.stand.wrench - _weight(station, rest.stand.R_base_sensor)
    bounds = quality_bounds(station)
    most_n, most_n_m = bounds.of(bounds.bias)
    force, torque = float(np.linalg.norm(felt[:3])), float(np.linalg.norm(felt[3:]))
    if force > most_n or torque > most_n_m:
        raise DeviceError(
            f"calibration not begun: the sensor says {force:.1f} N, {torque:.2f} N m beyond the tool's weight (at most "
            f"{most_n:.1f} N, {most_n_m:.2f} N m): the tool touches something, or the sensor is off; nothing has moved"
        )
    await zero_guards(trace, force_n=station.safety.max_force_norm_n)


async def _go(trace: Trace, waypoints: Any, speed_scale: float, force_n: float) -> None:
    await motions.move_joints(trace, waypoints, speed_scale=speed_scale, force_n=force_n, start_gap_rad=_SAME_PLACE_RAD)


def _weight(station: Station, R_base_sensor: FloatArray) -> FloatArray:
    tool = empty_tool(station)
    return weight_of(float(tool["mass_kg"]), np.array(tool["com_sensor_m"]), R_base_sensor)


async def _guarded(cell: StowCell, work: Callable[[Trace], Coroutine[Any, Any, T]]) -> T:
    """Run measurements; what a primitive calls unsuccessful ends the command."""
    trace = Trace(cell)
    try:
        return await work(trace)
    except Unsuccessful as end:
        outcome = trace.outcomes[-1] if trace.outcomes else None
        raise MotionFault(f"{end}; nothing was written, the arm stands", outcome) from end


def _document(
    station: Station, measured: Measured, model: Identified, verdict: Judgement, bounds: QualityBounds, world: str
) -> FtCalibration:
    most_n, most_n_m = bounds.of(bounds.residual)
    x, y, z = (_rounded(v) for v in model.com_sensor_m)
    return FtCalibration(
        station=station.name,
        tool=CalibratedTool(
            mass_kg=_rounded(model.mass_kg),
            com_sensor_m=(x, y, z),
            mass_std_kg=_rounded(model.mass_std_kg),
            com_std_m=_rounded(model.com_std_m),
        ),
        first_bias=Wrench.of(model.bias.tolist()),
        drift_per_s=Wrench.of(model.drift_per_s.tolist()),
        noise=Wrench.of(model.noise.tolist()),
        loop_delay_s=_rounded(measured.delay.loop_s),
        position_delay_s=_rounded(measured.delay.position_s),
        quality=CalibrationQuality(
            condition_number=_rounded(model.condition_number),
            fit_poses=len(measured.of_fit()),
            verification_poses=len(measured.of_verification()),
            fit_residual_force_n=_rounded(verdict.fit_residual[0]),
            fit_residual_torque_n_m=_rounded(verdict.fit_residual[1]),
            verification_residual_force_n=_rounded(verdict.verification_residual[0]),
            verification_residual_torque_n_m=_rounded(verdict.verification_residual[1]),
            residual_bound_force_n=most_n,
            residual_bound_torque_n_m=most_n_m,
        ),
        provenance=Provenance(
            made_at=_now(),
            podhand=podhand.__version__,
            kernel_build=build_id(),
            world=world,
            gravity_m_s2=GRAVITY_M_S2,
            opening_m=_rounded(measured.opening_m),
            blade_m=_rounded(measured.blade_m),
            poses_q_rad=tuple(tuple(_rounded(q) for q in stand.q_rad) for stand in measured.stands),
            verification=tuple(k for k, pose in enumerate(measured.poses) if pose.verification),
        ),
    )


def _rounded(value: float) -> float:
    """Return a figure to a millionth: more digits would say nothing."""
    return round(float(value), 6) + 0.0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check_out(path: Path) -> None:
    """Find out before the work that the file cannot be written."""
    if path.is_dir():
        raise ConfigError(f"--out {path}: is a folder; give a file")
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path}: there is no folder {path.parent}; make it, or give another file")


def _tell_pose(k: int, stand: Standstill) -> None:
    force = np.linalg.norm(stand.wrench[:3])
    console.print(f"  {stand.name}: {force:.2f} N read, noise {stand.noise[:3].max():.2f} N", style="dim")


def _tell(calibration: FtCalibration, station: Station, out: Path) -> None:
    tool, quality = calibration.tool, calibration.quality
    table = Table(box=None, pad_edge=False, show_header=False)
    com = ", ".join(f"{1e3 * v:.1f}" for v in tool.com_sensor_m)
    spread = f"± {1e3 * tool.mass_std_kg:.1f} g, ± {1e3 * tool.com_std_m:.2f} mm"
    table.add_row("tool", f"{tool.mass_kg:.3f} kg, centre ({com}) mm in the sensor's axes ({spread})")
    table.add_row("bias", _six(calibration.first_bias))
    table.add_row("drift", _six(Wrench.of([60 * v for v in calibration.drift_per_s.values]), " a minute"))
    table.add_row("noise", _six(calibration.noise, " a sample"))
    table.add_row(
        "residual",
        f"{quality.fit_residual_force_n:.3f} N, {quality.fit_residual_torque_n_m:.4f} N m over "
        f"{quality.fit_poses} poses; "
        f"{quality.verification_residual_force_n:.3f} N, {quality.verification_residual_torque_n_m:.4f} N m over "
        f"{quality.verification_poses} others (at most {quality.residual_bound_force_n:.2f} N, "
        f"{quality.residual_bound_torque_n_m:.3f} N m)",
    )
    table.add_row("condition number", f"{quality.condition_number:.1f}")
    declared = station.ft.loop_delay_s
    table.add_row(
        "loop delay",
        f"{1e3 * calibration.loop_delay_s:.2f} ms, of which {1e3 * calibration.position_delay_s:.2f} ms to the "
        "reported place "
        f"(the station says {1e3 * declared:g} ms"
        + (": the longer one counts)" if calibration.loop_delay_s > declared else ")"),
    )
    console.print(table)
    console.print(
        f"[green]✓[/] {escape(str(out))}: a station beside it uses it with "
        f"[bold]calibration_file: {escape(out.name)}[/] under ft",
        soft_wrap=True,
    )


def _six(wrench: Wrench, per: str = "") -> str:
    force = ", ".join(f"{v:+.2f}" for v in wrench.force_n)
    torque = ", ".join(f"{v:+.3f}" for v in wrench.torque_n_m)
    return f"({force}) N, ({torque}) N m{per}"


# ---- tare and watch ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TareJob:
    """What ``podhand ft tare`` and ``watch`` were asked for."""

    calibration: Path
    station: str = "sim-stow"
    seed: int = 1
    seconds: float = 30.0
    """Of the watch."""
    json_target: str | None = None


def with_calibration(station: Station, calibration: FtCalibration) -> Station:
    """Return a station that uses a calibration. Raises ConfigError when it was made for something else."""
    document = station.model_dump(mode="json")
    document["ft"]["calibration"] = calibration.model_dump(mode="json")
    document["ft"]["loop_delay_s"] = max(station.ft.loop_delay_s, calibration.loop_delay_s)
    try:
        return Station.model_validate(document)
    except ValidationError as error:
        rules = "; ".join(str(entry["msg"]) for entry in error.errors(include_url=False))
        raise ConfigError(f"the calibration does not fit station {station.name}: it {rules}") from error


def run_ft_tare(job: TareJob) -> FtCalibration:
    """Take the bias anew where the arm stands, within bounds of the last one, and keep it in the calibration file.

    Raises:
        ConfigError: station or calibration cannot be used; nothing was started.
        StateError: the tool is not empty.
        MotionFault: refused, or a fault; with value, bound and what to do. The file is as it was.
    """
    check_json_target(job.json_target)
    calibration = load_ft_calibration(job.calibration)
    station = with_calibration(load_station(job.station), calibration)
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=job.seed, index=0))
    bias, change = take_tare(workcell, station)
    tared = calibration.with_tare(Tare(made_at=_now(), bias=bias))
    save_ft_calibration(tared, job.calibration)
    console.print(
        f"[green]✓[/] tared: the bias changed by {np.linalg.norm(change[:3]):.2f} N, "
        f"{np.linalg.norm(change[3:]):.3f} N m to {_six(bias)}; kept in {escape(str(job.calibration))}",
        soft_wrap=True,
    )
    write_json({"schema": "podhand-ft-tare-1", "bias": list(bias.values), "change": change.tolist()}, job.json_target)
    return tared


def take_tare(
    workcell: SimWorkcell, station: Station, *, attach: Callable[[LockstepHost], None] | None = None
) -> tuple[Wrench, FloatArray]:
    """Return the new bias, and its change since the last one; the station is calibrated. Raises as ``run_ft_tare``."""
    calibration = station.ft.calibration
    if calibration is None:
        raise ConfigError(f"station {station.name} has no calibration: podhand ft calibrate")

    def since(bias: Wrench) -> Callable[[Standstill], FloatArray]:
        return lambda stand: stand.wrench - _weight(station, stand.R_base_sensor) - np.array(bias.values)

    last = since(calibration.bias)

    async def work(trace: Trace) -> Standstill:
        await trace.cell.session.wait(trace.cell.session.tick_s)
        if findings := unmet(trace.cell):
            raise StateError("; ".join(findings))
        bounds = TareBounds(quality=quality_bounds(station))
        rest = await tare(
            trace, seconds=_TARE_S, bounds=bounds, felt=last, since_calibration=since(calibration.first_bias)
        )
        return rest.stand

    with LockstepHost.for_station(workcell.plant, station) as host:
        if attach:
            attach(host)
        stand = host.run(_guarded(nominal_cell(host, station, workcell), work))
    return Wrench.of((stand.wrench - _weight(station, stand.R_base_sensor)).tolist()), last(stand)


def run_ft_watch(job: TareJob) -> DriftReport:
    """Watch the bias while the arm stands, and say how fast it changes.

    Raises:
        ConfigError: station or calibration cannot be used; nothing was started.
        MotionFault: a limit or fault ended it.
        DeviceError: the bias drifts faster than allowed.
    """
    check_json_target(job.json_target)
    station = with_calibration(load_station(job.station), load_ft_calibration(job.calibration))
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=job.seed, index=0))
    watch = watch_workcell(workcell, station, seconds=job.seconds)
    report = watch.report()
    touched = f"; something touched {watch.contacts} times" if watch.contacts else ""
    write_json(
        {"schema": "podhand-ft-watch-1", "state": report.state.value, "watched_s": report.watched_s,
         "force_n_s": report.force_n_s, "torque_n_m_s": report.torque_n_m_s, "contacts": watch.contacts},
        job.json_target,
    )  # fmt: skip
    if report.state is DriftState.REFUSED:
        raise DeviceError(report.words + touched)
    console.print(f"{report.words} (over {report.watched_s:.0f} s){touched}", soft_wrap=True)
    return report


def watch_workcell(
    workcell: SimWorkcell,
    station: Station,
    *,
    seconds: float,
    attach: Callable[[LockstepHost], None] | None = None,
) -> DriftWatch:
    """Return a watch that has looked at a workcell with a calibrated station. Raises as ``run_ft_watch``."""
    calibration = station.ft.calibration
    if calibration is None:
        raise ConfigError(f"station {station.name} has no calibration: podhand ft calibrate")
    bias = np.array(calibration.bias.values)
    watch = DriftWatch(quality_bounds(station), calibration.noise.values)

    def felt(state: CellState) -> FloatArray:
        R = X_base_sensor(cell, state.X_base_tool)[:3, :3]
        return np.asarray(state.wrench_sensor - _weight(station, R) - bias)

    with LockstepHost.for_station(workcell.plant, station) as host:
        if attach:
            attach(host)
        cell = nominal_cell(host, station, workcell)
        host.run(_guarded(cell, lambda trace: watch_drift(trace, watch, seconds=seconds, felt=felt)))
    return watch
