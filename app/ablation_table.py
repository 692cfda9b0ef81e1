"""``podhand evaluate ablations``: what each part is or would be worth, in the same worlds, with paired statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

from rich.table import Table

from podhand.app.ablations import EXTRAS, PARTS, Ablation
from podhand.app.campaign import EvaluateJob, code_sha256, is_campaign
from podhand.app.choices import Eject, WorldKind
from podhand.app.evaluate import run_campaign
from podhand.app.pairs import Paired, holm
from podhand.app.results import RESULT_SCHEMA, Campaign, EpisodeResult, StowOutcome
from podhand.app.run_folder import RunFolder, new_run_path
from podhand.app.shell import check_json_target, console, write_json
from podhand.app.wiring import world_version
from podhand.controllers.parameters import build_id
from podhand.core.errors import ConfigError

ABLATIONS_SCHEMA: Final = "podhand-ablations-1"
WHOLE: Final = "whole"
LIMITS: Final = "limits"
SIGNIFICANT: Final = 0.05
ROWS: Final = (*PARTS, *EXTRAS, Eject.DROP_PUSH.value, LIMITS)
"""What is compared with the whole system: a part left out, a move added, another way to eject, no force limits."""


@dataclass(frozen=True, kw_only=True)
class AblationsJob:
    """What ``podhand evaluate ablations`` was asked for."""

    episodes: int
    seed: int
    first: int = 0
    world: WorldKind = WorldKind.STANDARD
    items: Path | None = None
    only: tuple[str, ...] = ()
    """Rows; all when empty."""
    jobs: int = 0
    out: Path | None = None
    json_target: str | None = None

    def rows(self) -> tuple[str, ...]:
        """Return the rows in the order of the table. Raises ConfigError for one that does not exist."""
        for name in self.only:
            if name not in ROWS:
                raise ConfigError(f"--only must be one of {', '.join(ROWS)} (got {name!r})")
        return tuple(name for name in ROWS if not self.only or name in self.only)

    def campaign(self, row: str) -> EvaluateJob:
        """Return the campaign of a row."""
        return EvaluateJob(
            station="sim-unlimited" if row == LIMITS else "sim-stow",
            items=self.items,
            episodes=self.episodes,
            seed=self.seed,
            first=self.first,
            jobs=self.jobs,
            world=self.world,
            ablation=_ablation(row),
        )


def run_ablations_job(job: AblationsJob) -> dict[str, Any]:
    """Run or continue all campaigns, leave a folder with one run folder each, print and write the table.

    Raises:
        ConfigError: a row, the catalogue or the output cannot be used, or the folder holds something else.
        StoppedByOperator, KeyboardInterrupt: Ctrl-C; the same ``--out`` goes on.
    """
    check_json_target(job.json_target)
    rows = job.rows()
    path = job.out or new_run_path(Path("runs"), f"ablations-seed{job.seed}")
    schemas = {"ablations": ABLATIONS_SCHEMA, "result": RESULT_SCHEMA, "world": world_version(job.world)}
    resume = is_campaign(path / WHOLE)
    try:
        with RunFolder(path, build_id=build_id(), schemas=schemas, resume=resume) as folder:
            code = code_sha256()
            whole = run_campaign(job.campaign(WHOLE), path / WHOLE, label=WHOLE)
            others = {row: _run_row(job, row, path, code) for row in rows}
            document = compare(whole, others)
            folder.write_json("ablations.json", document)
            folder.write_text("ablations.md", markdown(document))
    except KeyboardInterrupt:
        console.print(f"Go on with the same command and --out {path}", markup=False, soft_wrap=True)
        raise
    console.print(_table(document))
    console.print(f"Run folder: {path}", markup=False, soft_wrap=True)
    write_json(document, job.json_target)
    return document


def _run_row(job: AblationsJob, row: str, path: Path, code: str) -> Campaign:
    if code_sha256() != code:
        raise ConfigError(f"{path} - the code changed between two rows, so they cannot be compared; begin anew")
    return run_campaign(job.campaign(row), path / row, label=_label(row))


def _ablation(row: str) -> Ablation:
    return Ablation(
        without=(row,) if row in PARTS else (),
        extra=(row,) if row in EXTRAS else (),
        eject=Eject.DROP_PUSH if row == Eject.DROP_PUSH.value else Eject.BELTS,
    )


def _label(row: str) -> str:
    return "no force limits" if row == LIMITS else _ablation(row).label


def compare(whole: Campaign, others: Mapping[str, Campaign]) -> dict[str, Any]:
    """Return the table as plain data: each campaign's rates, and its difference from the whole system."""
    rows = [_row(WHOLE, whole)]
    compared = {name: _row(name, campaign) | _paired(whole, campaign) for name, campaign in others.items()}
    adjusted = {key: holm({name: row[key]["mcnemar_p"] for name, row in compared.items()}) for key in _TESTS}
    for name, row in compared.items():
        for key in _TESTS:
            row[key]["holm_p"] = adjusted[key][name]
        row["verdict"] = verdict(row)
    return {
        "schema": ABLATIONS_SCHEMA,
        "world": whole.world,
        "seed": whole.seed,
        "episodes": len(whole.episodes),
        "rows": [*rows, *compared.values()],
    }


def verdict(row: Mapping[str, Any]) -> str:
    """Say what the row's difference is worth, as far as the paired tests can tell."""
    success, defects = row["paired_success"], row["paired_defect"]
    found = []
    if success["holm_p"] < SIGNIFICANT:
        found.append("fewer successes" if success["difference"] < 0 else "more successes")
    if defects["holm_p"] < SIGNIFICANT:
        found.append("more defects" if defects["difference"] > 0 else "fewer defects")
    return ", ".join(found) or "no difference seen"


def markdown(document: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(_HEAD) + " |", "| --- " + "| ---: " * (len(_HEAD) - 2) + "| --- |"]
    lines += ["| " + " | ".join(_cells(row, digits=1)) + " |" for row in document["rows"]]
    title = f"{document['episodes']} worlds of {document['world']}, seed {document['seed']}; the same for every row."
    return "\n".join([title, "", *lines, "", _LEGEND, ""])


def _success(result: EpisodeResult) -> bool:
    return result.outcome is StowOutcome.SUCCESS


def _defect(result: EpisodeResult) -> bool:
    return result.outcome is StowOutcome.DEFECT


_TESTS: Final = {"paired_success": _success, "paired_defect": _defect}
_HEAD: Final = ("system", "success %", "difference", "worlds −/+", "p", "of accepted %", "defects %", "peak N",
                "cycle s", "verdict")  # fmt: skip
_ON_A_TERMINAL: Final = (0, 1, 2, 4, 6, 8, 9)
_LEGEND: Final = (
    "success: of attempts. difference: points, paired. Brackets: 95 % intervals, Wilson for rates, Newcombe for paired "
    "differences. −/+: worlds that only the whole system stows, and that only the row stows. p: exact McNemar test of "
    "success, adjusted for the number of rows (Holm). peak: largest filtered force on the tool."
)


def _row(name: str, campaign: Campaign) -> dict[str, Any]:
    return {"name": name, "summary": campaign.summary()}


def _paired(whole: Campaign, campaign: Campaign) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, test in _TESTS.items():
        pairs = Paired.of(whole.episodes, campaign.episodes, test)
        found[key] = {
            "worlds": pairs.worlds,
            "both": pairs.both,
            "only_whole": pairs.only_first,
            "only_without": pairs.only_second,
            "neither": pairs.neither,
            "difference": pairs.difference,
            "difference_ci95": list(pairs.difference_ci95),
            "mcnemar_p": pairs.mcnemar_p,
        }
    return found | {"cycle_s_difference": _cycle_difference_s(whole.episodes, campaign.episodes)}


def _cycle_difference_s(first: Sequence[EpisodeResult], second: Sequence[EpisodeResult]) -> float:
    """Return how much longer the second took, mean of the worlds that both stowed."""
    others = {result.seed: result for result in second if _success(result)}
    longer = [others[r.seed].cycle_s - r.cycle_s for r in first if _success(r) and r.seed in others]
    return mean(longer) if longer else 0.0


def _cells(row: Mapping[str, Any], *, digits: int) -> list[str]:
    summary, success = row["summary"], row.get("paired_success")
    paired = ["–", "–", "–"]
    if success is not None:
        low, high = success["difference_ci95"]
        paired = [
            f"{100 * success['difference']:+.{digits}f} ({100 * low:+.{digits}f} … {100 * high:+.{digits}f})",
            f"{success['only_whole']}/{success['only_without']}",
            f"{success['holm_p']:.3f}",
        ]
    return [
        row["name"] if success is None else _label(row["name"]),
        _rate(summary, "success_rate", digits),
        *paired,
        _rate(summary, "success_rate_of_accepted", digits),
        _rate(summary, "defect_rate", digits),
        f"{summary['peak_filtered_force_n']:.1f}",
        f"{summary['mean_cycle_s']:.1f}",
        row.get("verdict", "–"),
    ]


def _rate(summary: Mapping[str, Any], name: str, digits: int) -> str:
    low, high = summary[f"{name}_ci95"]
    return f"{100 * summary[name]:.{digits}f} ({100 * low:.{digits}f} … {100 * high:.{digits}f})"


def _table(document: Mapping[str, Any]) -> Table:
    title = f"{document['episodes']} worlds of {document['world']}, seed {document['seed']}; the same for every row"
    table = Table(title=title, caption=_LEGEND, title_justify="left", caption_justify="left", box=None, pad_edge=False)
    for k in _ON_A_TERMINAL:
        table.add_column(_HEAD[k], justify="left" if k in (0, len(_HEAD) - 1) else "right")
    for row in document["rows"]:
        cells = _cells(row, digits=0)
        table.add_row(*(cells[k] for k in _ON_A_TERMINAL))
    return table
