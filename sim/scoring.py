"""What became of a stow, judged from the truth of the simulation; never seen by the station."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from podhand.sim.workcell import Body, SimWorkcell, Truth

SETTLE_S = 0.5
BAND_PLANE_TOLERANCE_M = 0.005
BAND_BACK_M = 0.025
"""A band is back when the middle of it stands within this of its height at the start."""
HARMLESS_SHIFT_M = (0.05, 0.02, 0.02)
"""An item that is no further than this from where it was presented is back on the infeed: along the rails its place
matters less than across them."""
OPENED_RAD = 0.35
"""A book whose covers stand further apart than this has opened: about 20 degrees."""


class StowOutcome(StrEnum):
    """The three ends of an attempt."""

    SUCCESS = "success"
    UNPRODUCTIVE = "unproductive"
    DEFECT = "defect"


@dataclass(frozen=True, kw_only=True)
class StowScore:
    """The verdict on one attempt, with what it rests on."""

    outcome: StowOutcome
    cause: str
    """In words; empty on success."""
    item_in_bin: bool
    item_at_infeed: bool
    item_held: bool
    item_behind_band_m: float
    """From the band plane to the item's rear; negative: it protrudes."""
    neighbours_out: tuple[str, ...]
    bands_off_m: tuple[float, ...]
    """Per band: height of its middle over its place at rest."""
    peak_squeeze_n: float
    peak_contact_n: float
    """Largest true contact force on the whole tool, single steps included."""


def score(workcell: SimWorkcell, *, over_force: str = "", over_squeeze_tolerance: float = 1.1) -> StowScore:
    """Judge an attempt after the caller let the scene settle for ``SETTLE_S``.

    Args:
        workcell: the simulated workcell, at rest.
        over_force: in words, which force limit was broken by the kernel's outcomes; empty when none was.
        over_squeeze_tolerance: the item's own squeeze limit may be passed by this factor for single steps.

    Returns:
        The score; the first defect found names the cause.
    """
    truth = workcell.truth()
    item = workcell.world.item
    behind = _rear_m(truth.item) - workcell.settings.bands.x_bin_m
    in_bin = _in_bin(truth.item, workcell.pod.bin_size_m, behind)
    at_infeed = _at_infeed(truth)
    held = bool(workcell.plant.holds_item())
    out = tuple(
        body.name
        for body in truth.contents
        if not _in_bin(body, workcell.pod.bin_size_m, _rear_m(body) - workcell.settings.bands.x_bin_m)
    )
    bands = tuple(
        float(nodes[len(nodes) // 2, 2] - start[len(start) // 2, 2])
        for nodes, start in zip(truth.band_nodes_m, workcell.band_start_m, strict=True)
    )
    defects = _defects(
        truth, in_bin, at_infeed or held, behind, out, bands, item.max_squeeze_n * over_squeeze_tolerance, over_force
    )
    if defects:
        outcome, cause = StowOutcome.DEFECT, defects[0]
    elif in_bin:
        outcome, cause = StowOutcome.SUCCESS, ""
    else:
        place = "back at the infeed" if at_infeed else "still in the paddles"
        outcome, cause = StowOutcome.UNPRODUCTIVE, f"the item is {place}, nothing was stowed"
    return StowScore(
        outcome=outcome,
        cause=cause,
        item_in_bin=in_bin,
        item_at_infeed=at_infeed,
        item_held=held,
        item_behind_band_m=behind,
        neighbours_out=out,
        bands_off_m=bands,
        peak_squeeze_n=truth.peak_squeeze_n,
        peak_contact_n=truth.peak_touch_n["tool"],
    )


def _defects(
    truth: Truth,
    in_bin: bool,
    kept: bool,
    behind_m: float,
    out: tuple[str, ...],
    bands_m: tuple[float, ...],
    max_squeeze_n: float,
    over_force: str,
) -> list[str]:
    """List what went wrong, worst first."""
    found = []
    if not in_bin and not kept:
        p = truth.item.X_bin_item[:3, 3]
        if abs(p[0]) < 0.4 and p[2] > -0.1 and behind_m > -0.5 and abs(p[1]) < 0.3:
            found.append(f"the item protrudes: its rear is {-behind_m * 1e3:.0f} mm before the bands")
        else:
            found.append(f"the item was dropped: it lies at ({p[0]:.2f}, {p[1]:.2f}, {p[2]:.2f}) m of the bin frame")
    if out:
        found.append(f"neighbours out of the bin: {', '.join(out)}")
    opened = [body.name for body in (truth.item, *truth.contents) if body.opened_rad > OPENED_RAD]
    if opened:
        found.append(f"opened: {', '.join(opened)}")
    away = [k for k, off in enumerate(bands_m) if abs(off) > BAND_BACK_M]
    if away:
        worst = max(abs(bands_m[k]) for k in away)
        found.append(f"band {', '.join(str(k) for k in away)} is not back: {worst * 1e3:.0f} mm off its place")
    if over_force:
        found.append(over_force)
    if truth.peak_squeeze_n > max_squeeze_n:
        found.append(f"the item was squeezed with {truth.peak_squeeze_n:.0f} N, more than it bears")
    return found


def _rear_m(body: Body) -> float:
    """Return how far its rearmost part, be it a bag's hanging end, stands behind the opening plane [m]."""
    return float(body.low_bin_m[0])


def _in_bin(body: Body, size_m: tuple[float, float, float], behind_band_m: float) -> bool:
    x, y, z = (float(v) for v in (body.low_bin_m + body.high_bin_m) / 2)
    inside = x < size_m[0] and abs(y) < size_m[1] / 2 and 0.0 < z < size_m[2]
    return inside and behind_band_m >= -BAND_PLANE_TOLERANCE_M


def _at_infeed(truth: Truth) -> bool:
    shift = truth.item.X_bin_item[:3, 3] - truth.item.X_bin_start[:3, 3]
    return bool(np.all(np.abs(shift) < HARMLESS_SHIFT_M))
