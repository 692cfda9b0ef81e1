"""The gallery of failures as one self-contained HTML page."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from podhand.app import words
from podhand.app.campaign import EvaluateJob
from podhand.app.report import Picture, facts_html, figure_html, fill_template, steps_html
from podhand.app.results import EpisodeResult, wilson_ci95
from podhand.app.wiring import world_version


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failure as the campaign recorded it, and as it went again with pictures."""

    recorded: EpisodeResult
    again: EpisodeResult
    pictures: tuple[Picture, ...]

    @property
    def repeats(self) -> bool:
        """Whether it went the same way again."""
        return all(
            getattr(self.recorded, name) == getattr(self.again, name)
            for name in ("accepted", "outcome", "cause", "refusal_reason", "plan", "ticks")
        )


@dataclass(frozen=True, kw_only=True)
class Group:
    """Failures of one cause."""

    cause: str
    """Without numbers."""
    failures: tuple[Failure, ...]
    others: tuple[EpisodeResult, ...]
    """Those that were not run again."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.failures) + len(self.others)

    @property
    def members(self) -> list[EpisodeResult]:
        """All of them as recorded."""
        return [failure.recorded for failure in self.failures] + list(self.others)


def render_gallery(campaign: EvaluateJob, attempts: int, groups: Sequence[Group]) -> str:
    """Return the page.

    Args:
        campaign: what was run.
        attempts: number of stows in it.
        groups: most frequent first.
    """
    failures = sum(group.count for group in groups)
    label = campaign.ablation.label
    return fill_template(
        "gallery.html.template",
        title=f"{failures} of {attempts} stows were no success",
        lead=html.escape(_lead(groups, attempts)),
        causes="\n".join(_cause(number, group, attempts) for number, group in enumerate(groups, 1)),
        groups="\n".join(_group(number, group, campaign) for number, group in enumerate(groups, 1)),
        station=html.escape(campaign.station),
        world=world_version(campaign.world),
        seed=campaign.seed,
        ablation=html.escape(f", {label}" if label else ""),
    )


def _lead(groups: Sequence[Group], attempts: int) -> str:
    if not groups:
        return "Nothing to improve here: look at harder worlds."
    first = groups[0]
    return f"Most is to be won here: {first.cause} ({words.share(first.count, attempts)} of all stows)."


def _kind(result: EpisodeResult) -> str:
    return result.outcome.value if result.accepted else "refused"


def _badge(result: EpisodeResult) -> str:
    return f'<span class="badge {result.outcome.value}">{_kind(result)}</span>'


def _cause(number: int, group: Group, attempts: int) -> str:
    low, high = wilson_ci95(group.count, attempts)
    share = 100 * group.count / attempts
    return (
        f'<tr><td class="number">{group.count}</td><td class="number">{share:.1f} ({100 * low:.1f} … {100 * high:.1f})'
        f'</td><td><div class="bar" style="width: {2.0 * share:.0f}px"></div></td><td>{_badge(group.members[0])}</td>'
        f'<td><a href="#cause-{number}">{html.escape(group.cause)}</a></td></tr>'
    )


def _group(number: int, group: Group, campaign: EvaluateJob) -> str:
    shown = "\n".join(_failure(failure, campaign) for failure in group.failures)
    cause, badge = html.escape(group.cause), _badge(group.members[0])
    return f"""<section class="product" id="cause-{number}">
<header><h2><span class="number">{group.count} ×</span>{cause}</h2>{badge}</header>
{shown}
{_others(group, campaign)}
</section>"""


def _failure(failure: Failure, campaign: EvaluateJob) -> str:
    result = failure.recorded
    figures = "\n".join(figure_html(picture) for picture in failure.pictures)
    changed = "" if failure.repeats else _changed(failure)
    return f"""<article><h3>{html.escape(words.headline(result))}</h3>
<p class="story">{html.escape(words.story(result))}</p>{changed}
<p class="how">Again: <code>{html.escape(campaign.command(result.index))}</code></p>
{_plan(failure.again)}
{facts_html(failure.again)}
<div class="figures">{figures}</div>
{steps_html(failure.again)}</article>"""


def _changed(failure: Failure) -> str:
    return (
        f'<p class="warning">It did not go the same way again: {html.escape(words.story(failure.again))} The code or '
        "the catalogue has changed since; pictures and numbers below are of the repetition.</p>"
    )


def _plan(result: EpisodeResult) -> str:
    reason = str(result.plan_params.get("reason", ""))
    return f'<p class="how">Plan: {html.escape(reason)}.</p>' if reason else ""


def _others(group: Group, campaign: EvaluateJob) -> str:
    if not group.others:
        return ""
    items = "\n".join(
        f"<li>{html.escape(result.cause or result.refusal_reason)}<br>"
        f"<code>{html.escape(campaign.command(result.index))}</code></li>"
        for result in group.others
    )
    return f"<details><summary>{len(group.others)} more like this</summary><ul>{items}</ul></details>"
