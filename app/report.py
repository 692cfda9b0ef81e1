"""The report of a run: one self-contained HTML file that needs no network."""

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from string import Template
from typing import Any

import podhand
from podhand.app import words
from podhand.app.plots import time_plot
from podhand.app.results import Campaign, EpisodeResult, Step, StowOutcome


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a stow: where it lies in the run folder, what it shows, and its PNG bytes."""

    name: str
    caption: str
    png: bytes
    wide: bool = False


def render_report(campaign: Campaign, pictures: Mapping[int, Sequence[Picture]], recipes: Mapping[int, Any]) -> str:
    """Return the report as HTML.

    Args:
        campaign: the run.
        pictures: per episode index, in the order in which they are shown.
        recipes: per episode index, the recipe as plain data.
    """
    summary = campaign.summary()
    return fill_template(
        "report.html.template",
        title=html.escape(_title(campaign)),
        lead=html.escape(" ".join(words.campaign_lines(campaign)[:2])),
        cards="\n".join(_card(*card) for card in _cards(campaign, summary)),
        products="\n".join(
            _product(episode, pictures.get(episode.index, ()), recipes.get(episode.index))
            for episode in campaign.episodes
        ),
        contents="\n".join(_contents(episode) for episode in campaign.episodes),
        times=_times(campaign, summary["primitives"]),
        station=html.escape(campaign.station),
        seed=campaign.seed,
        world=html.escape(campaign.world),
    )


def fill_template(name: str, **parts: object) -> str:
    """Return a page of this room with its style, the date and podhand's version filled in."""
    room = resources.files("podhand.app")
    return Template(room.joinpath(name).read_text(encoding="utf-8")).substitute(
        style=room.joinpath("report.css").read_text(encoding="utf-8"),
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
        version=podhand.__version__,
        **parts,
    )


def _title(campaign: Campaign) -> str:
    number = len(campaign.episodes)
    return f"{number} stow{'' if number == 1 else 's'}"


def _cards(campaign: Campaign, summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    successes = sum(1 for e in campaign.episodes if e.outcome is StowOutcome.SUCCESS)
    defects = sum(1 for e in campaign.episodes if e.outcome is StowOutcome.DEFECT)
    speed = summary["sim_seconds"] / summary["wall_seconds"] if summary["wall_seconds"] else 0.0
    return [
        (f"{successes} / {summary['attempts']}", "stowed", f"{defects} defects"),
        (f"{summary['units_per_hour']:.0f}", "units an hour", f"{summary['mean_cycle_s']:.1f} s of motion each"),
        (
            f"{summary['peak_filtered_force_n']:.1f} N",
            "firmest touch",
            f"{summary['force_limit_violations']} over the limit",
        ),
        (f"{1000 * summary['mean_think_s']:.0f} ms", "to see and plan", "mean of accepted products"),
        (f"{speed:.1f} ×", "real time", f"{summary['sim_seconds']:.0f} s in {summary['wall_seconds']:.0f} s"),
    ]


def _card(value: str, label: str, note: str) -> str:
    return (
        f'<div class="card"><div class="value">{html.escape(value)}</div><div class="label">{html.escape(label)}</div>'
        f'<div class="note">{html.escape(note)}</div></div>'
    )


def _contents(episode: EpisodeResult) -> str:
    return (
        f'<li class="{episode.outcome.value}"><a href="#stow-{episode.index + 1}">'
        f'<span class="mark">{words.MARKS[episode.outcome]}</span> {html.escape(words.headline(episode))}</a></li>'
    )


def _times(campaign: Campaign, primitives: Mapping[str, Mapping[str, float]]) -> str:
    """Return a picture and a table of where the time goes; nothing when nothing moved."""
    if not primitives:
        return ""
    picture = Picture(
        name="times",
        caption="Where the time of a mean stow goes. Every moment counts once: for the arm's primitive where one runs, "
        "else for the band arm's.",
        png=time_plot(campaign.times_by_way()),
        wide=True,
    )
    rows = "\n".join(
        f"<tr><td>{html.escape(name)}</td><td>{entry['runs']}</td><td>{entry['mean_s']:.2f} s</td>"
        f"<td>{entry['median_s']:.2f} s</td><td>{100 * entry['cycle_share']:.1f} %</td></tr>"
        for name, entry in primitives.items()
    )
    return f"""<section class="times">{figure_html(picture)}
<details><summary>Time per primitive</summary><table>
<thead><tr><th>primitive</th><th>runs</th><th>mean</th><th>median</th><th>of the cycle</th></tr></thead>
<tbody>{rows}</tbody></table></details></section>"""


def _product(episode: EpisodeResult, pictures: Sequence[Picture], recipe: Any) -> str:
    figures = "\n".join(figure_html(picture) for picture in pictures)
    return f"""<section class="product" id="stow-{episode.index + 1}">
<header><h2><span class="number">{episode.index + 1}</span>{html.escape(words.product(episode.item))}
<span class="bin">bin {html.escape(episode.bin)}</span></h2>
<span class="badge {episode.outcome.value}">{episode.outcome.value}</span></header>
<p class="story">{html.escape(words.story(episode))}</p>
{facts_html(episode)}
<div class="figures">{figures}</div>
{steps_html(episode)}
{_recipe(recipe)}
</section>"""


def facts_html(episode: EpisodeResult) -> str:
    """Return the numbers of a stow."""
    if not episode.accepted:
        return ""
    facts = [
        ("way", words.way(episode)),
        ("motion", f"{episode.cycle_s:.1f} s"),
        ("thinking", f"{1000 * episode.think_s:.0f} ms"),
        ("peak force", f"{episode.peak_filtered_force_n:.1f} N filtered, {episode.peak_force_n:.1f} N raw"),
        ("of the limit", f"{100 * episode.max_force_ratio:.0f} %"),
        ("neighbours out", str(episode.neighbours_out)),
    ]
    items = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in facts)
    return f'<dl class="facts">{items}</dl>'


def figure_html(picture: Picture) -> str:
    """Return a picture with its caption."""
    data = base64.b64encode(picture.png).decode()
    caption = html.escape(picture.caption)
    kind = ' class="wide"' if picture.wide else ""
    return (
        f'<figure{kind}><img alt="{caption}" loading="lazy" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def steps_html(episode: EpisodeResult) -> str:
    """Return the primitives as a table that opens."""
    if not episode.steps:
        return ""
    rows = "\n".join(_step_row(step) for step in episode.steps)
    return f"""<details><summary>What each primitive did</summary><table>
<thead><tr><th>from</th><th>to</th><th>primitive</th><th>outcome</th><th>peak</th><th>limit</th></tr></thead>
<tbody>{rows}</tbody></table></details>"""


def _step_row(step: Step) -> str:
    limit = f"{step.force_limit_n:.0f} N" if math.isfinite(step.force_limit_n) else "–"
    kind = "" if step.succeeded else ' class="failed"'
    return (
        f"<tr{kind}><td>{step.begin_s:.2f} s</td><td>{step.end_s:.2f} s</td><td>{html.escape(step.name)}</td>"
        f"<td>{html.escape(step.words)}</td><td>{step.peak_filtered_force_n:.1f} N</td><td>{limit}</td></tr>"
    )


def _recipe(recipe: Any) -> str:
    if recipe is None:
        return ""
    text = html.escape(json.dumps(recipe, indent=1))
    return f"<details><summary>The recipe, as data</summary><pre>{text}</pre></details>"
