"""What happened, in words that a person enjoys reading."""

import math
import re
from collections.abc import Mapping
from typing import Any

from podhand.app.results import Campaign, EpisodeResult, Step, StowOutcome, causes, wilson_ci95

_NUMBER = re.compile(r"[-+−]?\d+(?:\.\d+)?")
_PLURAL = re.compile(r"(… (?:block|item|point|thing|time))s\b")
_WAYS = {
    "direct": "straight in",
    "sweep": "sweep, then in",
    "flip_up": "another item stood up, then in",
    "stack": "on top of others",
    "slot": "tilted into a gap",
}
_WAYS_TOLD = {
    "flip_up": ("Stood up an item that lay in the way, and slid it in", "Set out to stand up a lying item"),
    "stack": ("Put it on top of what was there", "Set out to put it on top of what was there"),
    "slot": ("Tilted it into a slanted gap", "Set out to tilt it into a slanted gap"),
}
"""What was done when it succeeded, and what was intended when not."""
MARKS = {StowOutcome.SUCCESS: "✓", StowOutcome.UNPRODUCTIVE: "○", StowOutcome.DEFECT: "✗"}


def product(sku: str) -> str:
    """Return a SKU as people say it: ``glue_sticks`` is "glue sticks"."""
    return sku.replace("_", " ").replace("-", " ").strip()


def headline(result: EpisodeResult) -> str:
    """Return the first line about an episode: which product, which bin, how it ended."""
    ending = {
        StowOutcome.SUCCESS: "stowed",
        StowOutcome.UNPRODUCTIVE: "handed back" if result.accepted else "left at the infeed",
        StowOutcome.DEFECT: "went wrong",
    }[result.outcome]
    return f"{product(result.item)} → bin {result.bin}: {ending}"


def story(result: EpisodeResult) -> str:
    """Return two or three sentences about an episode."""
    if not result.accepted:
        return f"Left it at the infeed, untouched: {_sentence(result.refusal_reason or 'no plan was found')}"
    sentences = [_plan_sentence(result)]
    if result.outcome is StowOutcome.SUCCESS:
        sentences.append(_gentle_sentence(result))
    elif result.outcome is StowOutcome.UNPRODUCTIVE:
        sentences.append(f"It did not work out: {_sentence(result.cause or 'the stow was given up')}")
        if "return_item" in result.plan or "at the infeed" in result.cause:
            sentences.append("The product went back to the infeed, whole.")
    else:
        sentences.append(f"This is a defect: {_sentence(result.cause or 'the score says so')}")
    if result.fault:
        sentences.append(f"A fault ended it: {_sentence(result.fault)}")
    return " ".join(sentence for sentence in sentences if sentence)


def way(result: EpisodeResult) -> str:
    """Return how the product got its place, in a few words."""
    return _WAYS.get(str(result.plan_params.get("way")), "straight in")


def force_phrase(step: Step) -> str:
    """Return "peak 11.4 N of 20 N", or without the limit where the step has none."""
    peak = f"peak {step.peak_filtered_force_n:.1f} N"
    return f"{peak} of {step.force_limit_n:.0f} N" if math.isfinite(step.force_limit_n) else peak


def campaign_lines(campaign: Campaign) -> list[str]:
    """Return the closing lines about a run or campaign."""
    summary = campaign.summary()
    attempts = summary["attempts"]
    if attempts == 0:
        return ["Nothing was attempted."]
    successes = sum(1 for e in campaign.episodes if e.outcome is StowOutcome.SUCCESS)
    lines = [f"{successes} of {attempts} products are in the pod{_pace(summary)}."]
    if summary["force_limit_violations"]:
        lines.append(f"The force limit was exceeded in {summary['force_limit_violations']} stows.")
    elif summary["accepted"]:
        lines.append(f"No force went over its limit; the firmest touch was {summary['peak_filtered_force_n']:.1f} N.")
    lines += [f"{number} ×: {cause}" for cause, number in causes(campaign.episodes).items()]
    return lines


def kind_of_cause(result: EpisodeResult) -> str:
    """Return why an episode was no success, so that one kind reads the same.

    Numbers become "…", the product "the item", and only what stands before the first semicolon counts: the rest says
    where the item is, or gives figures.
    """
    text = (result.cause or result.refusal_reason or "no cause was recorded").replace(result.item, "the item")
    text = text.partition(";")[0]
    return _PLURAL.sub(r"\1", _NUMBER.sub("…", text))


def share(part: int, whole: int) -> str:
    """Return a share of counted things with its interval: "93 % (86 … 97)"."""
    low, high = wilson_ci95(part, whole)
    return f"{100 * part / whole:.0f} % ({100 * low:.0f} … {100 * high:.0f})" if whole else "–"


def rate_phrase(summary: Mapping[str, Any], name: str) -> str:
    """Return a rate with its interval: "93.0 % (86.3 … 96.6)"."""
    low, high = summary[f"{name}_ci95"]
    return f"{100 * summary[name]:.1f} % ({100 * low:.1f} … {100 * high:.1f})"


def _plan_sentence(result: EpisodeResult) -> str:
    params = result.plan_params
    if told := _WAYS_TOLD.get(str(params.get("way"))):
        return f"{told[0] if result.outcome is StowOutcome.SUCCESS else told[1]}."
    sweeps = [step for step in result.steps if step.name == "sweep"]
    if result.sweep_needed:
        room = params.get("sweep_distance_m")
        force = f" ({force_phrase(max(sweeps, key=lambda s: s.peak_filtered_force_n))})" if sweeps else ""
        made = f"{1000 * room:.0f} mm of room" if isinstance(room, float) else "room"
        verb = "Made" if sweeps and all(step.succeeded for step in sweeps) else "Set out to make"
        ending = " and slid it in." if result.outcome is StowOutcome.SUCCESS else "."
        return f"{verb} {made} with the blade{force}{ending}"
    spare = params.get("predicted_clearance_m")
    where = (
        f"a gap with {1000 * spare:.0f} mm to spare on each side"
        if isinstance(spare, float)
        else "a gap that was wide enough"
    )
    ending = " and slid it straight in." if result.outcome is StowOutcome.SUCCESS else "."
    return f"Found {where}{ending}"


def _gentle_sentence(result: EpisodeResult) -> str:
    return f"The tool never pushed harder than {result.peak_filtered_force_n:.1f} N; {result.cycle_s:.1f} s in all."


def _pace(summary: Mapping[str, Any]) -> str:
    return f", at a pace of {summary['units_per_hour']:.0f} an hour" if summary["units_per_hour"] else ""


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
