"""The command line of podhand. The heavy rooms are imported by the commands that need them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import podhand
from podhand.app.choices import Eject, HostKind, Keep, Use, WorldKind
from podhand.app.shell import LogLevel, configure_logging, given_options, reports_errors

if TYPE_CHECKING:
    from podhand.app.ablations import Ablation

app = typer.Typer(
    name="podhand",
    help="""Robot hands that feel: force-limited stowing into fabric pods.

    Start here:

        podhand stow                    five products into the simulated pod, with a report

        podhand evaluate stow --episodes 100 --json -

        podhand primitive list

    Exit status: 0 done, 1 could not, 2 bad arguments, configuration or input, 3 device or safety fault,
    130 Ctrl-C after a controlled stop.
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
evaluate_app = typer.Typer(help="Measure success over many worlds.", no_args_is_help=True)
report_app = typer.Typer(help="Reports about runs that are over.", no_args_is_help=True)
primitive_app = typer.Typer(help="The primitives that stows are made of.", no_args_is_help=True)
station_app = typer.Typer(help="Station files: what a workcell consists of, and its limits.", no_args_is_help=True)
ft_app = typer.Typer(help="The force/torque sensor: calibrate it, tare it, watch it.", no_args_is_help=True)
flight_app = typer.Typer(help="The flight recorder of podhand-rt: its last minute.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure speed, beside the usual alternatives.", no_args_is_help=True)
train_app = typer.Typer(help="Learn from recorded episodes.", no_args_is_help=True)
scene_app = typer.Typer(
    help="Scenes for `podhand free-space`: depth views of one bin, with poses.", no_args_is_help=True
)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(report_app, name="report")
app.add_typer(primitive_app, name="primitive")
app.add_typer(station_app, name="station")
app.add_typer(ft_app, name="ft")
app.add_typer(flight_app, name="flight")
app.add_typer(bench_app, name="bench")
app.add_typer(scene_app, name="scene")
app.add_typer(train_app, name="train")


StationOption = Annotated[
    str, typer.Option("--station", metavar="NAME_OR_FILE", help="A shipped station, or a station file.")
]
ItemsOption = Annotated[
    Path | None,
    typer.Option("--items", metavar="FILE.csv", help="Item catalogue; without it, the one that comes with podhand."),
]
FirstOption = Annotated[int, typer.Option("--first", min=0, max=99_999, help="Start with this world of the seed.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Same seed, same worlds, same motions.")]
JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is standard output.")
]
WorldOption = Annotated[
    WorldKind, typer.Option("--world", help="hard: products meant to be difficult; they bring their own catalogue.")
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="NAME",
        help="Leave a part out: sweep, stack, registration or feeling. May be repeated.",
    ),
]
WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME",
        help="Let it try a move that made no difference in the standard world: flip_up or slot. May be repeated.",
    ),
]
EjectOption = Annotated[Eject, typer.Option("--eject", help="How the item leaves the paddles.")]
PredictorOption = Annotated[
    Path | None,
    typer.Option(
        "--predictor",
        metavar="FILE",
        help="Choose by this success model (`podhand train success`) instead of by the rules.",
    ),
]
JobsOption = Annotated[int, typer.Option("--jobs", min=0, help="Worker processes; 0 takes one per core.")]
EpisodesOption = Annotated[int, typer.Option("--episodes", min=1, max=100_000, help="How many worlds.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run folder, new or empty; without it, one under runs/.")
]


def main() -> None:
    """Run the command line; the console script ``podhand``."""
    app()


def _ablation(without: list[str] | None, extra: list[str] | None, eject: Eject) -> "Ablation":
    from podhand.app.ablations import Ablation

    return Ablation(without=tuple(without or ()), extra=tuple(extra or ()), eject=eject)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"podhand {podhand.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    log_level: Annotated[LogLevel, typer.Option("--log-level", help="How much to log to standard error.")] = (
        LogLevel.WARNING
    ),
) -> None:
    """Set up what all commands share."""
    configure_logging(log_level)


@app.command()
@reports_errors
def stow(
    station: StationOption = "sim-stow",
    host: Annotated[
        HostKind, typer.Option("--host", help="What runs the kernel; realtime: podhand-rt, at 1 kHz of wall time.")
    ] = HostKind.LOCKSTEP,
    items: ItemsOption = None,
    count: Annotated[int, typer.Option("--count", min=1, max=100_000, help="How many products.")] = 5,
    seed: SeedOption = 1,
    first: FirstOption = 0,
    world: WorldOption = WorldKind.STANDARD,
    without: WithoutOption = None,
    extra: WithOption = None,
    eject: EjectOption = Eject.BELTS,
    predictor: PredictorOption = None,
    out: OutOption = None,
    json_file: JsonOption = None,
    view: Annotated[bool, typer.Option("--view", help="Watch live in the browser (extra 'view').")] = False,
) -> None:
    """Stow products from the infeed into the pod, and leave a run folder with a report.

    Try it:

        podhand stow --count 3 --seed 7

        podhand stow --items my-products.csv --json result.json

        podhand stow --station sim-unlimited --seed 7     what happens without limits

        podhand stow --view                               in the browser, on this machine only
    """
    from podhand.app.stow import StowJob, run_stow_job

    run_stow_job(
        StowJob(station=station, items=items, count=count, seed=seed, first=first, out=out, json_target=json_file,
                view=view, world=world, ablation=_ablation(without, extra, eject), host=host,
                predictor=predictor)
    )  # fmt: skip


@evaluate_app.command("stow")
@reports_errors
def evaluate_stow(
    context: typer.Context,
    episodes: EpisodesOption = 100,
    station: StationOption = "sim-stow",
    items: ItemsOption = None,
    seed: SeedOption = 1,
    first: FirstOption = 0,
    world: WorldOption = WorldKind.STANDARD,
    without: WithoutOption = None,
    extra: WithOption = None,
    eject: EjectOption = Eject.BELTS,
    predictor: PredictorOption = None,
    jobs: JobsOption = 0,
    out: OutOption = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="FOLDER", help="Continue the campaign in this run folder.")
    ] = None,
    keep: Annotated[Keep, typer.Option("--keep", help="Recordings to keep.")] = Keep.FAILURES,
    json_file: JsonOption = None,
) -> None:
    """Stow in many random worlds and report rates with their 95 % intervals.

    World number i of a seed is the same here and in `podhand stow --seed S --first i --count 1`. A campaign that was
    stopped goes on with --resume, or with the same --out; --episodes may then be more than before.

    Try it:

        podhand evaluate stow --episodes 100 --seed 1

        podhand evaluate stow --resume runs/20261121-101500-evaluate-seed1 --episodes 400

        podhand evaluate stow --episodes 20 --without sweep --jobs 2 --json - | jq .summary
    """
    from podhand.app.campaign import EvaluateJob, continued
    from podhand.app.evaluate import run_evaluate_job

    job = EvaluateJob(station=station, items=items, episodes=episodes, seed=seed, first=first, jobs=jobs, out=out,
                      keep=keep, json_target=json_file, world=world,
                      ablation=_ablation(without, extra, eject), predictor=predictor)  # fmt: skip
    if resume is not None:
        if out is not None:
            raise typer.BadParameter("give --resume FOLDER or --out DIR, not both", param_hint="--resume")
        job = continued(resume, job, given=given_options(context))
    run_evaluate_job(job)


@evaluate_app.command("faults")
@reports_errors
def evaluate_faults(
    episodes: Annotated[int, typer.Option("--episodes", min=1, max=100_000, help="How many stows with a fault.")] = 200,
    station: StationOption = "sim-stow",
    items: ItemsOption = None,
    seed: SeedOption = 1,
    first: FirstOption = 0,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Worker processes; 0 takes one per core.")] = 0,
    json_file: JsonOption = None,
) -> None:
    """Let one fault into each stow, and judge: cause told, safe state, item's place known, next stow.

    The kinds of faults come in turn, at random times; half of them last until a person removes them.

    Try it:

        podhand evaluate faults --episodes 24 --seed 1 --json faults.json
    """
    from podhand.app.fault_campaign import FaultJob, run_fault_job

    run_fault_job(
        FaultJob(station=station, items=items, episodes=episodes, seed=seed, first=first, jobs=jobs,
                 json_target=json_file)
    )  # fmt: skip


@evaluate_app.command("ablations")
@reports_errors
def evaluate_ablations(
    episodes: EpisodesOption = 100,
    seed: SeedOption = 1,
    first: FirstOption = 0,
    world: WorldOption = WorldKind.STANDARD,
    items: ItemsOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="These rows alone, e.g. sweep or drop_push. May be repeated."),
    ] = None,
    jobs: JobsOption = 0,
    out: OutOption = None,
    json_file: JsonOption = None,
) -> None:
    """Measure what each part is worth: the same worlds with the whole system, and without one part at a time.

    Differences are paired, world by world, with an exact McNemar test. A stopped run goes on with the same --out.

    Try it:

        podhand evaluate ablations --episodes 100 --seed 7

        podhand evaluate ablations --only sweep --only drop_push --episodes 20 --out runs/what-is-it-worth
    """
    from podhand.app.ablation_table import AblationsJob, run_ablations_job

    run_ablations_job(
        AblationsJob(episodes=episodes, seed=seed, first=first, world=world, items=items, only=tuple(only or ()),
                     jobs=jobs, out=out, json_target=json_file)
    )  # fmt: skip


@train_app.command("success")
@reports_errors
def train_success(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="Run folders of `podhand evaluate stow`.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.json", help="The model; its card is written beside it, as FILE.md.")
    ] = Path("success.json"),
    use: Annotated[
        Use,
        typer.Option("--use", help="What the model answers with; auto: what did better in worlds that were held out."),
    ] = Use.AUTO,
    json_file: JsonOption = None,
) -> None:
    """Learn from recorded stows which ones succeed, and judge how far that can be trusted.

    Two predictors are trained: success rates by way and shape of the item, and boosted trees over all that is known
    before the motion (extra 'learn'). Both are judged in worlds that they have not seen. Stows do not ask a model
    unless they are told to with --predictor.

    Try it:

        podhand evaluate stow --episodes 400 --seed 8 --out runs/seed8

        podhand train success runs/seed8 --out success.json

        podhand evaluate stow --episodes 100 --seed 9 --predictor success.json

        podhand train success runs/seed8 runs/seed9 --use counts --out counts.json     to compare the two
    """
    from podhand.app.train_success import TrainJob, run_train_job

    run_train_job(TrainJob(folders=folders, out=out, use=use.value, json_target=json_file))


@report_app.command("failures")
@reports_errors
def report_failures(
    run: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="A folder of `podhand evaluate stow`.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="Without it, beside the run folder.")
    ] = None,
    each: Annotated[int, typer.Option("--each", min=0, max=100, help="Repeat at most this many per cause.")] = 3,
    jobs: JobsOption = 0,
) -> None:
    """Make a gallery of a campaign's failures, grouped by cause, the most frequent first.

    Failures are run again from their seeds, with pictures: campaigns themselves stay fast.

    Try it:

        podhand report failures runs/20261121-101500-evaluate-seed1 --out failures.html
    """
    from podhand.app.gallery import GalleryJob, run_gallery_job

    run_gallery_job(GalleryJob(run=run, out=out, each=each, jobs=jobs))


@app.command("free-space")
@reports_errors
def free_space(
    scene: Annotated[Path, typer.Argument(metavar="SCENE.npz", help="Views of a bin; see `podhand scene --help`.")],
    item: Annotated[str, typer.Option("--item", metavar="LxWxH", help="Sides of the item in m, in any order.")],
    json_file: JsonOption = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw the places into a picture.")] = None,
) -> None:
    """Find where an item fits into a bin as it stands, or say why it does not.

    Views are fused into free, occupied and not seen; what was not seen does not count as free. Places stand on the
    floor or on what is there, in every axis-aligned orientation.

    Try it:

        podhand scene from-sim bin.npz --seed 7

        podhand free-space bin.npz --item 0.12x0.04x0.035 --png bin.png

        podhand free-space bin.npz --item 0.25x0.2x0.03 --json - | jq .placements[0]
    """
    from podhand.app.free_space import FreeSpaceJob, run_free_space_job

    run_free_space_job(FreeSpaceJob(scene=scene, item=item, json_target=json_file, png=png))


@scene_app.command("from-folder")
@reports_errors
def scene_from_folder(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RGB-D frames in the layout of apc-vision-toolbox.")],
    scene: Annotated[Path, typer.Argument(metavar="SCENE.npz", help="What to write.")],
    frame: Annotated[
        list[int] | None, typer.Option("--frame", metavar="N", help="Keep this frame; may be repeated.")
    ] = None,
) -> None:
    """Make a scene of recorded RGB-D frames; pose and size of the bin are found in the depth.

    Try it:

        podhand scene from-folder shelf_bin bin.npz

        podhand scene from-folder shelf_bin bin.npz --frame 0 --frame 4 --frame 7
    """
    from podhand.app.scene_commands import pack_folder

    pack_folder(folder, scene, frame or [])


@scene_app.command("from-sim")
@reports_errors
def scene_from_sim(
    scene: Annotated[Path, typer.Argument(metavar="SCENE.npz", help="What to write.")],
    station: StationOption = "sim-stow",
    seed: SeedOption = 1,
    first: FirstOption = 0,
) -> None:
    """Make a scene of what the simulated cameras see in one world.

    Try it:

        podhand scene from-sim bin.npz --seed 7
    """
    from podhand.app.scene_commands import pack_simulation

    pack_simulation(scene, station_name=station, seed=seed, first=first)


@primitive_app.command("list")
@reports_errors
def primitive_list() -> None:
    """List the primitives with one line each."""
    from podhand.app.primitive_commands import list_primitives

    list_primitives()


@primitive_app.command("show")
@reports_errors
def primitive_show(name: Annotated[str, typer.Argument(help="Name of the primitive.")]) -> None:
    """Show a primitive's parameters with units, bounds and help.

    Try it:

        podhand primitive show sweep
    """
    from podhand.app.primitive_commands import show_primitive

    show_primitive(name)


@primitive_app.command("run")
@reports_errors
def primitive_run(
    name: Annotated[str, typer.Argument(help="Name of the primitive.")],
    param: Annotated[list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="May be repeated.")] = None,
    station: StationOption = "sim-stow",
    seed: SeedOption = 1,
    stopped_at: Annotated[
        float | None,
        typer.Option(
            "--stopped-at",
            metavar="SECONDS",
            min=0.01,
            max=60.0,
            help="Begin where a stow stands that was stopped at this time, with a new controller.",
        ),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Run one primitive from the parked station, checked first.

    Try it:

        podhand primitive run park

        podhand primitive run extend_blade --param extension_m=0.10

        podhand primitive run recover --stopped-at 9.5      from wherever a stow was stopped
    """  # fmt: skip
    from podhand.app.primitive_commands import run_primitive

    run_primitive(name, param or [], station_name=station, seed=seed, stopped_at_s=stopped_at, json_target=json_file)


CalibrationArgument = Annotated[
    Path, typer.Argument(metavar="CALIBRATION.yaml", help="Made by `podhand ft calibrate`.")
]


@ft_app.command("calibrate")
@reports_errors
def ft_calibrate(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.yaml", help="What to write.")] = Path(
        "ft-calibration.yaml"
    ),
    station: StationOption = "sim-stow",
    seed: SeedOption = 1,
    poses: Annotated[int, typer.Option("--poses", min=6, max=60, help="How many the model is fitted to.")] = 12,
    checks: Annotated[int, typer.Option("--checks", min=2, max=30, help="How many more it is verified by.")] = 4,
    json_file: JsonOption = None,
) -> None:
    """Turn the empty tool through free poses and find bias, drift and noise of the sensor, mass and centre of the tool.

    Then the tool is shaken by some millimetres to measure the loop delay. Poses that were not used in the fit verify
    it; a calibration that does not fit is refused with the reason, and nothing is written.

    Try it:

        podhand ft calibrate --out ft-calibration.yaml

        podhand ft calibrate --poses 20 --checks 8 --json -
    """
    from podhand.app.ft_commands import CalibrateJob, run_ft_calibrate

    run_ft_calibrate(
        CalibrateJob(out=out, station=station, seed=seed, fit_poses=poses, verification_poses=checks,
                     json_target=json_file)
    )  # fmt: skip


@ft_app.command("tare")
@reports_errors
def ft_tare(
    calibration: CalibrationArgument,
    station: StationOption = "sim-stow",
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Take the sensor's bias anew where the arm stands, and keep it in the calibration file.

    Refused unless the arm stands still, nothing touches the tool, and the bias is within bounds of the last one.

    Try it:

        podhand ft tare ft-calibration.yaml
    """
    from podhand.app.ft_commands import TareJob, run_ft_tare

    run_ft_tare(TareJob(calibration=calibration, station=station, seed=seed, json_target=json_file))


@ft_app.command("watch")
@reports_errors
def ft_watch(
    calibration: CalibrationArgument,
    station: StationOption = "sim-stow",
    seed: SeedOption = 1,
    seconds: Annotated[
        float, typer.Option("--seconds", min=10.0, max=3600.0, help="The arm stands still for so long.")
    ] = 30.0,
    json_file: JsonOption = None,
) -> None:
    """Watch the sensor's bias while nothing touches the tool. Exit status 3 when it drifts faster than allowed.

    Try it:

        podhand ft watch ft-calibration.yaml --seconds 60
    """
    from podhand.app.ft_commands import TareJob, run_ft_watch

    run_ft_watch(
        TareJob(calibration=calibration, station=station, seed=seed, seconds=seconds, json_target=json_file)
    )  # fmt: skip


@app.command()
@reports_errors
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a single recording.")],
    json_file: JsonOption = None,
) -> None:
    """Check every byte of a run folder, then run the kernel again on its recordings and compare.

    On the build that recorded the run every output must be equal bit for bit; on another within 1e-9. Of a single
    recording that was cut off, what is whole is replayed, and it is said what is missing.

    Try it:

        podhand replay runs/20261121-101500-stow-seed1

        podhand replay fault-20261121T101500Z-tick48211.mcap
    """
    from podhand.app.replay import replay_run

    replay_run(run, json_target=json_file)


@app.command()
@reports_errors
def stats(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Shared memory of a podhand-rt; without it, the only one.")
    ] = None,
    json_file: JsonOption = None,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Write Prometheus text to standard output, for a scraper.")
    ] = False,
) -> None:
    """Show what a running podhand-rt has counted: latencies, the worst of each with what ran, late ticks by reason.

    It only reads: a host in motion is not disturbed.

    Try it while `podhand stow --host realtime` runs:

        podhand stats

        podhand stats --prometheus > /var/lib/node_exporter/podhand.prom
    """
    from podhand.app.stats import show_stats

    show_stats(name, prometheus=prometheus, json_target=json_file)


@app.command()
@reports_errors
def doctor(
    cpu: Annotated[
        int | None, typer.Option("--cpu", min=0, max=1023, help="The processor that podhand-rt will have of its own.")
    ] = None,
    nic: Annotated[str | None, typer.Option("--nic", help="A network card with a cyclic bus, looked at too.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Examine this machine for real-time work: what is wrong, why it matters, and the command that changes it.

    Nothing is changed. Exit status 1 when the profile production of podhand-rt would refuse to run here.

    Try it, as the user that will run podhand:

        podhand doctor

        podhand doctor --cpu 3 --nic enp2s0 --json doctor.json
    """
    from podhand.app.doctor import run_doctor

    run_doctor(cpu=cpu, nic=nic, json_target=json_file)


@flight_app.command("list")
@reports_errors
def flight_list(json_file: JsonOption = None) -> None:
    """List the flight recorders on this machine: of every podhand-rt that runs, and of those that were killed."""
    from podhand.app.flight import list_flights

    list_flights(json_target=json_file)


@flight_app.command("save")
@reports_errors
def flight_save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the podhand-rt, as `podhand flight list` shows it.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.mcap", help="Without it, one in this folder.")
    ] = None,
    last_s: Annotated[
        float | None, typer.Option("--last", metavar="SECONDS", min=0.001, help="So much at least; without it, all.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the memory of a dead podhand-rt where it is.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Write a flight recorder's last minute as a recording, of a podhand-rt that runs or that was killed.

    Try it:

        podhand flight list

        podhand flight save /podhand-4711-1 --out what-happened.mcap

        podhand replay what-happened.mcap
    """
    from podhand.app.flight import save_flight_file

    save_flight_file(name, out=out, last_s=last_s, keep=keep, json_target=json_file)


@station_app.command("show")
@reports_errors
def station_show(station: Annotated[str, typer.Argument(metavar="NAME_OR_FILE")] = "sim-stow") -> None:
    """Print the effective station.

    Try it:

        podhand station show

        podhand station show my-cell.yaml
    """
    from podhand.app.shell import output
    from podhand.core.station import dump_station, load_station

    output.print(dump_station(load_station(station)), end="", markup=False, soft_wrap=True)


@station_app.command("check")
@reports_errors
def station_check(station: Annotated[str, typer.Argument(metavar="NAME_OR_FILE")]) -> None:
    """Validate a station file, in Python and in the kernel; all findings at once.

    Try it:

        podhand station check my-cell.yaml
    """
    from podhand.app.shell import console
    from podhand.app.station_check import check_station

    console.print(check_station(station))


@bench_app.command("loop")
@reports_errors
def bench_loop(
    json_file: JsonOption = None,
    ticks: Annotated[int, typer.Option("--ticks", min=1000, max=100_000, help="Timed ticks per round.")] = 20_000,
    wake_s: Annotated[
        float,
        typer.Option("--wake", metavar="SECONDS", min=0.0, max=3600.0, help="Per round, for wake latency; 0: none."),
    ] = 2.0,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Plot of the wake latencies.")] = None,
) -> None:
    """Time the kernel's tick and a plain control step, interleaved with numba and numpy doing the same step.

    Then podhand-rt runs at 1 kHz, and in turn with it cyclictest of rt-tests: how late do both wake up?

    Try it:

        podhand bench loop --json -

        podhand bench loop --wake 60 --png wake.png
    """
    from podhand.app.bench_commands import run_bench_loop

    run_bench_loop(ticks=ticks, wake_s=wake_s, json_target=json_file, png=png)


@bench_app.command("free-space")
@reports_errors
def bench_free_space(
    json_file: JsonOption = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=99, help="Rounds in which all take turns.")] = 7,
) -> None:
    """Time the free-space kernel on one image of a pod, interleaved with OpenCV, numba, numpy, scipy and plain Python.

    Try it:

        podhand bench free-space --json -
    """
    from podhand.app.bench_commands import run_bench_free_space

    run_bench_free_space(rounds=rounds, json_target=json_file)


@bench_app.command("match")
@reports_errors
def bench_match(
    predictor: PredictorOption = None,
    json_file: JsonOption = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=99, help="Of 30 decisions each.")] = 5,
) -> None:
    """Time the decision which of 12 waiting items goes into which of 40 bins, given what was seen of the bins.

    Try it:

        podhand bench match

        podhand bench match --predictor success.json --json -
    """
    from podhand.app.bench_commands import run_bench_match

    run_bench_match(rounds=rounds, predictor=predictor, json_target=json_file)


if __name__ == "__main__":
    main()
