"""Which waiting item goes into which bin: all at once, by chance of success, fill and time.

Matching estimates: it asks profiles of the bins, not their models, and knows pushes by their lightest one. What it
chooses is then planned by ``plan_stow``, which decides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from math import pi
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import erf

from podhand.core.errors import PlanningError
from podhand.core.items import Item, Shape
from podhand.core.poses import FloatArray
from podhand.core.tooling import StowTool
from podhand.perception.profiles import PROBE_M, BinProfile
from podhand.planning.affordances import GRAVITY_M_S2, StowRules, passage
from podhand.planning.matching_kernel import (
    FIT_COLUMNS,
    NO_ENTRY,
    NO_ROOM,
    PUSH_COLUMNS,
    TOO_HEAVY,
    fits,
    shortest_columns,
)
from podhand.planning.success import CATEGORIES, FEATURES, SuccessModel

BoolArray = NDArray[np.bool_]
CodeArray = NDArray[np.int8]
_COLUMN: Final = {name: column for column, name in enumerate(FEATURES)}
_FIT: Final = {name: column for column, name in enumerate(FIT_COLUMNS)}
_PUSH: Final = {name: column for column, name in enumerate(PUSH_COLUMNS)}
_WORST: Final = -1e6
OFFERS: Final = (("direct", 0.0), ("sweep", 0.0), ("stack", 0.0), ("stack", pi / 2))
"""Ways and tilts that are compared: upright into a gap, after a push, on top of something, and lying on top of it."""
USUAL_CYCLE_S: Final[Mapping[str, float]] = {"direct": 14.5, "sweep": 16.5, "stack": 17.0}
"""Time of motion where no model has measured it [s]."""


class Veto(IntEnum):
    """Why an item does not go into a bin."""

    NONE = 0
    CLOSED = 1
    NOT_HANDLED = 2
    TOO_LONG = 3
    TOO_HIGH = 4
    NO_ROOM = 5
    NO_ENTRY = 6
    TOO_HEAVY = 7
    UNSURE = 8


@dataclass(frozen=True, kw_only=True)
class MatchValues:
    """What a stow is worth, in units of one item that is stowed. Our choice."""

    failure: float = 1.0
    """Lost by a stow that fails."""
    second: float = 0.01
    """Lost per second of motion."""
    fill: float = 0.05
    """Won when the item takes all that it uses: its gap, the gaps that are swept together, the top that it lies on;
    less by the share that it leaves, too narrow for much else."""


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """An item and the bin that it goes to, as far as matching knows."""

    item: int
    """Its place among the waiting items."""
    bin: str
    way: str
    tilt_rad: float
    chance: float
    lower: float
    """Lower bound of the chance."""
    learned: bool
    cycle_s: float
    value: float
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """The best assignment, and why the rest is not in it."""

    pairings: tuple[Pairing, ...]
    """Most valuable first; each item and each bin once."""
    items: tuple[Item, ...]
    bins: tuple[str, ...]
    veto: CodeArray
    """(items, bins) of ``Veto``."""
    best_lower: float
    """Best lower bound over all items and bins; 0 when every pair is vetoed."""
    gaps: FloatArray
    pushes: FloatArray
    chance: FloatArray
    """(items, bins) of the most valuable way; 0 where there is none."""
    closed: Mapping[str, str]
    rules: StowRules
    needs_m: FloatArray
    """(items,) width that an item needs [m]."""
    most_force_n: float

    def why_not(self, item: int, bin_name: str) -> str:
        """Say in words why an item does not go into a bin; empty when it could."""
        b = self.bins.index(bin_name)
        code = Veto(int(self.veto[item, b]))
        gap, push = self.gaps[item, b], self.pushes[item, b]
        widths = (
            f"the widest gap is {1e3 * gap[_FIT['widest_m']]:.0f} mm, all gaps together "
            f"{1e3 * gap[_FIT['sum_m']]:.0f} mm, the item needs {1e3 * self.needs_m[item]:.0f} mm"
        )
        held = self.items[item]
        return {
            Veto.NONE: "",
            Veto.CLOSED: self.closed.get(bin_name, ""),
            Veto.NOT_HANDLED: f"the paddles do not hold an item {1e3 * held.width_m:.0f} mm wide",
            Veto.TOO_LONG: f"the item of {1e3 * held.length_m:.0f} mm is too long for the bin",
            Veto.TOO_HIGH: f"the item of {1e3 * held.height_m:.0f} mm is too high for the bin",
            Veto.NO_ROOM: f"no room, not even swept together: {widths}",
            Veto.NO_ENTRY: f"no gap takes the item, and none lets the blade in beside something to push: {widths}",
            Veto.TOO_HEAVY: f"what would have to be pushed is too heavy, over {self.most_force_n:.0f} N: {widths}",
            Veto.UNSURE: f"only {100 * self.chance[item, b]:.0f} % sure, {100 * self.rules.least_success:.0f} % are "
            f"asked for; {_pushed(push)}",
        }[code]

    @cached_property
    def left(self) -> dict[int, str]:
        """Items that go nowhere, each with the reason in words."""
        paired = {pairing.item for pairing in self.pairings}
        return {item: self._why_left(item) for item in range(len(self.items)) if item not in paired}

    def _why_left(self, item: int) -> str:
        if not self.bins:
            return "there is no bin"
        codes = Counter(Veto(int(code)) for code in self.veto[item])
        if codes[Veto.NONE]:
            return f"{codes[Veto.NONE]} bins would take it, but other items are worth more there"
        # Of the commonest reason, the bin that comes closest.
        commonest = codes.most_common(1)[0][0]
        bins = np.nonzero(self.veto[item] == commonest)[0]
        closest = self.bins[int(bins[np.argmax(self.gaps[item, bins, _FIT["sum_m"]])])]
        kinds = ", ".join(f"{code.name.lower()} in {count}" for code, count in codes.most_common())
        return f"no bin takes it ({kinds}); {closest}: {self.why_not(item, closest)}"


def _pushed(push: FloatArray) -> str:
    if push[0] < 0.0:
        return "as it stands"
    return (
        f"pushing {_count(int(push[_PUSH['moved']]))} by {1e3 * push[_PUSH['distance_m']]:.0f} mm with about "
        f"{push[_PUSH['force_n']]:.0f} N"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class PodProfile:
    """The bins of a pod, side by side."""

    bins: tuple[BinProfile, ...]

    def __post_init__(self) -> None:
        """Check that bins are alike: one tool reaches into all of them with one set of numbers."""
        shapes = {(one.size_m, one.front_m.shape) for one in self.bins}
        if len(shapes) > 1:
            raise PlanningError(f"the bins of a pod must have one size (got {sorted(size for size, _ in shapes)})")
        if len({one.name for one in self.bins}) < len(self.bins):
            raise PlanningError("the bins of a pod must have different names")

    def with_bin(self, changed: BinProfile) -> "PodProfile":
        """Return the pod with a bin as it looks now; others stay as they are."""
        if changed.name not in {one.name for one in self.bins}:
            raise PlanningError(f"bin {changed.name} is not of this pod ({', '.join(one.name for one in self.bins)})")
        return PodProfile(bins=tuple(changed if one.name == changed.name else one for one in self.bins))

    @cached_property
    def front_m(self) -> FloatArray:
        """(bins, levels, columns)."""
        return np.array([one.front_m for one in self.bins])

    @cached_property
    def seen(self) -> FloatArray:
        """(bins, levels, columns)."""
        return np.array([one.seen for one in self.bins])

    @cached_property
    def block(self) -> FloatArray:
        """(bins, columns, 4)."""
        return np.array([one.block for one in self.bins])

    @cached_property
    def tops(self) -> FloatArray:
        """(tops, 9): bin, y, z, free beside a narrow thing, width, depth, front [m], slope [rad], unevenness [m]."""
        rows = [
            (b, top.y_m, top.top_z_m, top.clearance_m, top.width_m, top.depth_m, top.front_x_m, top.slope_rad,
             top.uneven_m)
            for b, one in enumerate(self.bins)
            for top in one.tops
        ]  # fmt: skip
        return np.array(rows, float).reshape(-1, 9)


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """Matches items with bins.

    Args (fields):
        tool: geometry of paddles and blade.
        force_limit_n: limit of the sweep on the filtered force [N], > 0.
        rules: margins and beliefs, and what may be used.
        values: what a stow is worth.
        model: predicts success and tells cycle times; without one the rules predict, and their bound is the
            prediction itself.
    """

    tool: StowTool
    force_limit_n: float
    rules: StowRules = field(default_factory=StowRules)
    values: MatchValues = field(default_factory=MatchValues)
    model: SuccessModel | None = None

    def __post_init__(self) -> None:
        """Check the limit. Raises PlanningError."""
        if not self.force_limit_n > 0.0:
            raise PlanningError(
                f"force_limit_n must be more than 0 N (got {self.force_limit_n}); check the station's forces block"
            )
        if self.rules.eject != "belts":
            raise PlanningError("matching knows stows by belts alone; use rules with eject='belts'")

    def match(self, items: Sequence[Item], pod: PodProfile, *, closed: Mapping[str, str] | None = None) -> Match:
        """Choose the best assignment of items to bins.

        Args:
            items: what waits.
            pod: its bins.
            closed: bins that take nothing now, with the reason in words.
        """
        search = _Search(self, tuple(items), pod, dict(closed or {}))
        return search.match()


class _Search:
    """One matching."""

    def __init__(self, matcher: Matcher, items: tuple[Item, ...], pod: PodProfile, closed: Mapping[str, str]) -> None:
        self._matcher, self._items, self._pod, self._closed = matcher, items, pod, closed
        self._rules, self._tool = matcher.rules, matcher.tool
        self._shape = (len(items), len(pod.bins))
        self._most_force_n = self._rules.max_force_share * matcher.force_limit_n
        self._ways = [passage(item, self._tool, self._rules) for item in items]
        self._sides = np.array([(i.length_m, i.width_m, i.height_m, i.mass_kg) for i in items]).reshape(-1, 4)
        self._bottom_m = np.array([self._rules.bottom_m(item) for item in items])
        self._shapes = np.array([CATEGORIES["shape"].index(item.shape.value) for item in items], float)
        self._gives_way = np.array([item.gives_way for item in items], np.bool_)

    def match(self) -> Match:
        veto = np.zeros(self._shape, np.int8)
        gaps, pushes = np.zeros((*self._shape, len(FIT_COLUMNS))), np.zeros((*self._shape, len(PUSH_COLUMNS)))
        gaps[..., 0] = pushes[..., 0] = -1.0
        never = self._never()
        if self._items and self._pod.bins:
            self._fit(never == 0, gaps, pushes)
        offers = self._offers(never == 0, gaps, pushes)
        chance, lower, learned = self._predict(offers)
        cycle_s = self._cycles()[:, None, None]
        values = self._matcher.values
        worth = chance - values.failure * (1.0 - chance) - values.second * cycle_s + values.fill * offers.fill
        open_ = np.array([one.name not in self._closed for one in self._pod.bins], np.bool_)
        sure = np.asarray(offers.there & (chance >= self._rules.least_success) & open_)
        worth = np.where(sure, worth, _WORST)
        best = worth.argmax(axis=0) if worth.size else np.zeros(self._shape, np.intp)
        possible: BoolArray = np.any(sure, axis=0)
        known = np.where(offers.there, chance, 0.0).max(axis=0) if worth.size else np.zeros(self._shape)
        veto[:] = self._why(gaps, pushes, known)
        veto[never > 0] = np.broadcast_to(never[:, None], self._shape)[never > 0]
        veto[:, ~open_] = Veto.CLOSED
        veto[possible] = Veto.NONE
        value = np.take_along_axis(worth, best[None], axis=0)[0]
        chosen = np.stack(linear_sum_assignment(-value), axis=1).tolist()
        said = _Prediction(chance, lower, learned)
        pairings = [self._pairing(i, b, offers, said, worth) for i, b in chosen if possible[i, b]]
        return Match(
            pairings=tuple(sorted(pairings, key=lambda pairing: -pairing.value)),
            items=self._items,
            bins=tuple(one.name for one in self._pod.bins),
            veto=veto,
            best_lower=float(lower[sure].max()) if sure.any() else 0.0,
            gaps=gaps,
            pushes=pushes,
            chance=known,
            closed=self._closed,
            rules=self._rules,
            needs_m=np.array([way.width_m + 2 * self._rules.min_side_m for way in self._ways]),
            most_force_n=self._most_force_n,
        )

    def _never(self) -> CodeArray:
        """Return per item (items,) why no bin of this pod takes it, or 0."""
        lx, _, lz = self._pod.bins[0].size_m if self._pod.bins else (0.0, 0.0, 0.0)
        codes = np.zeros(len(self._items), np.int8)
        for i, (item, way) in enumerate(zip(self._items, self._ways, strict=True)):
            if not self._tool.min_opening_m <= item.width_m <= self._tool.max_opening_m:
                codes[i] = Veto.NOT_HANDLED
            elif way.height_m > lz:
                codes[i] = Veto.TOO_HIGH
            elif way.depth_m > lx:
                codes[i] = Veto.TOO_LONG
        return codes

    def _fit(self, fitting: BoolArray, gaps: FloatArray, pushes: FloatArray) -> None:
        tool, rules, profile = self._tool, self._rules, self._pod.bins[0]
        over_m = rules.tool_over_item_bottom_m + tool.blade_half_height_m
        under_m = rules.tool_over_item_bottom_m - tool.blade_half_height_m + rules.blade_bite_m
        levels = [
            (profile.level(way.height_m), profile.level(max(way.height_m, bottom + over_m)))
            if fits_at_all
            else (-1, -1)
            for way, bottom, fits_at_all in zip(self._ways, self._bottom_m, fitting, strict=True)
        ]
        need = [
            (way.width_m, way.depth_m, item.length_m, bottom + under_m)
            for way, item, bottom in zip(self._ways, self._items, self._bottom_m, strict=True)
        ]
        margins = (
            rules.min_side_m, rules.wish_side_m, tool.blade_thickness_m + 2 * rules.blade_side_m,
            tool.blade_rest_m + tool.blade_stroke_m + rules.mouth_x_m, rules.blade_tip_m, rules.loss_per_contact_m,
            rules.block_density_kg_m3 * rules.friction * GRAVITY_M_S2, self._most_force_n,
            -rules.mouth_x_m - tool.blade_rest_m,
        )  # fmt: skip
        fits(
            self._pod.front_m, self._pod.seen, self._pod.block, np.array(levels, np.int64), np.array(need),
            profile.column_m, shortest_columns(profile.column_m), np.array(margins), gaps, pushes,
        )  # fmt: skip

    def _offers(self, fitting: BoolArray, gaps: FloatArray, pushes: FloatArray) -> "_Offers":
        """Return the features of every way for every item and bin."""
        rows = np.zeros((len(OFFERS), *self._shape, len(FEATURES)))
        there = np.zeros((len(OFFERS), *self._shape), np.bool_)
        fill = np.zeros(there.shape)
        rows[..., _COLUMN["shape"]] = self._shapes[:, None]
        sides = ("length_m", "width_m", "height_m", "mass_kg")
        rows[..., [_COLUMN[name] for name in sides]] = self._sides[:, None, :]
        for way in ("direct", "sweep", "stack"):
            members = [k for k, (name, _) in enumerate(OFFERS) if name == way]
            rows[members, ..., _COLUMN["way"]] = CATEGORIES["way"].index(way)
        width = self._sides[:, 1, None]
        self._offer_gaps(rows[0], there[0], gaps)
        fill[0] = width / np.maximum(gaps[..., _FIT["gap_m"]], width)
        if "sweep" in self._rules.moves:
            self._offer_pushes(rows[1], there[1], pushes)
            fill[1] = width / np.maximum(gaps[..., _FIT["sum_m"]], width)
        if "stack" in self._rules.moves:
            for k, (way, tilt) in enumerate(OFFERS):
                if way == "stack":
                    self._offer_tops(rows[k], there[k], fill[k], tilt, fitting)
        return _Offers(rows=rows, there=there, fill=fill)

    def _offer_gaps(self, rows: FloatArray, there: BoolArray, gaps: FloatArray) -> None:
        clearance, y = gaps[..., _FIT["clearance_m"]], np.abs(gaps[..., _FIT["y_m"]])
        there[:] = clearance >= 0.0
        clearance = np.minimum(clearance, 2 * self._rules.wish_side_m)
        rows[..., _COLUMN["clearance_m"]] = clearance
        rows[..., _COLUMN["off_middle_m"]] = y
        rows[..., _COLUMN["rules_success"]] = _fit_chance(clearance) * self._bands(y)

    def _offer_pushes(self, rows: FloatArray, there: BoolArray, pushes: FloatArray) -> None:
        force, distance, y, extension, moved, gap, side, _ = np.moveaxis(pushes, -1, 0)
        there[:] = force >= 0.0
        columns = {
            "clearance_m": side, "force_n": force, "sweep_m": distance, "moved_blocks": moved,
            "blade_extension_m": extension, "off_middle_m": np.abs(y),
        }  # fmt: skip
        for name, values in columns.items():
            rows[..., _COLUMN[name]] = values
        strain = np.maximum(force / self._matcher.force_limit_n, 0.05)
        push = 0.5 * (1.0 + erf((1.0 - strain) / (0.35 * strain * np.sqrt(2.0))))
        entry = _fit_chance(np.minimum((gap - 0.002) / 2, 0.010)) / 0.98
        motion = (1.0 - 0.2 * distance) * 0.99**moved * 0.97
        rows[..., _COLUMN["rules_success"]] = _fit_chance(side) * entry * push * self._bands(np.abs(y)) * motion

    def _offer_tops(
        self, rows: FloatArray, there: BoolArray, fill: FloatArray, tilt_rad: float, fitting: BoolArray
    ) -> None:
        """Offer the best top of every bin; judged by a narrow thing, so its room is what is left beside the item."""
        rules, tops = self._rules, self._pod.tops
        stiff = np.array([item.shape in (Shape.BOX, Shape.BOOK) for item in self._items], np.bool_) & fitting
        if not len(tops):
            return
        bins, y, z, free, wide, deep, front, slope, uneven = tops.T
        length, width, height = (self._sides[:, k, None] for k in ((0, 2, 1) if tilt_rad else (0, 1, 2)))
        side = free + PROBE_M[1] / 2 - width / 2
        carried = np.clip((front + deep) - np.maximum(front, 0.03), 0.0, None) / length
        carried = np.minimum(carried, 1.0)
        good = (
            stiff[:, None]
            & (side >= rules.min_side_m)
            & (z + rules.stack_drop_m + height + rules.height_margin_m <= self._pod.bins[0].size_m[2])
            & (carried >= rules.least_carried)
            & (wide >= 0.6 * width)
            & (slope <= rules.most_slope_rad)
            & (uneven <= rules.most_uneven_m)
        )
        chance = np.where(good, self._top_chance(side, carried, width, height, tops), -1.0)
        for b in np.unique(bins).astype(int):
            members = np.nonzero(bins == b)[0]
            best = members[chance[:, members].argmax(axis=1)]
            items = np.arange(len(self._items))
            there[:, b] = chance[items, best] > 0.0
            fill[:, b] = np.minimum(width[:, 0] / wide[best], 1.0)
            rows[:, b, _COLUMN["clearance_m"]] = np.minimum(side[items, best], 2 * rules.wish_side_m)
            rows[:, b, _COLUMN["off_middle_m"]] = np.abs(y[best])
            rows[:, b, _COLUMN["support_z_m"]] = z[best]
            rows[:, b, _COLUMN["tilt_rad"]] = tilt_rad
            rows[:, b, _COLUMN["rules_success"]] = chance[items, best]

    def _top_chance(
        self, side: FloatArray, carried: FloatArray, width: FloatArray, height: FloatArray, tops: FloatArray
    ) -> FloatArray:
        _, y, z, _, wide, deep, _, slope, uneven = tops.T
        slender = height / np.minimum(width, wide)
        pillar = z / np.minimum(wide, deep)
        stands = 1.0 - 0.08 * np.maximum(0.0, slender - 1.2) - 0.06 * np.maximum(0.0, pillar - 1.5)
        level = 1.0 - 20.0 * np.maximum(0.0, uneven - 0.001) - np.maximum(0.0, slope - 0.02)
        rests = 1.0 - 0.5 * np.maximum(0.0, 0.95 - carried)
        fit = _fit_chance(np.minimum(side, self._rules.wish_side_m))
        bands = np.where(np.abs(y) + width / 2 > self._rules.clear_half_width_m + 1e-6, 0.96, 1.0)
        chance: FloatArray = np.maximum(0.0, 0.97 * fit * rests * stands * level * bands)
        return chance

    def _bands(self, y_m: FloatArray) -> FloatArray:
        """Return the chance that the rising ends of the bands do no harm (items, bins)."""
        return np.where(y_m + self._sides[:, 1, None] / 2 > self._rules.clear_half_width_m + 1e-6, 0.96, 1.0)

    def _predict(self, offers: "_Offers") -> tuple[FloatArray, FloatArray, BoolArray]:
        rules_success = np.where(offers.there, offers.rows[..., _COLUMN["rules_success"]], 0.0)
        if self._matcher.model is None:
            return rules_success, rules_success, np.zeros(rules_success.shape, np.bool_)
        said = self._matcher.model.predict(offers.rows[offers.there])
        chance, lower, learned = np.zeros(rules_success.shape), np.zeros(rules_success.shape), offers.there.copy()
        chance[offers.there], lower[offers.there], learned[offers.there] = said.chance, said.lower, said.learned
        return chance, lower, learned

    def _cycles(self) -> FloatArray:
        measured = self._matcher.model.cycle_s if self._matcher.model else {}
        return np.array([measured.get(way, USUAL_CYCLE_S[way]) for way, _ in OFFERS])

    def _why(self, gaps: FloatArray, pushes: FloatArray, known: FloatArray) -> CodeArray:
        codes = np.full(self._shape, Veto.NO_ROOM, np.int8)
        far = pushes[..., _PUSH["why_not"]]
        needs = np.array([way.width_m + 2 * self._rules.min_side_m for way in self._ways])[:, None]
        roomy = gaps[..., _FIT["sum_m"]] >= needs
        codes[(far == NO_ENTRY) & roomy] = Veto.NO_ENTRY
        codes[far == NO_ROOM] = Veto.NO_ROOM
        codes[far == TOO_HEAVY] = Veto.TOO_HEAVY
        codes[known > 0.0] = Veto.UNSURE
        return codes

    def _pairing(self, i: int, b: int, offers: "_Offers", said: "_Prediction", worth: FloatArray) -> Pairing:
        k = int(worth[:, i, b].argmax())
        way, tilt_rad = OFFERS[k]
        return Pairing(
            item=i,
            bin=self._pod.bins[b].name,
            way=way,
            tilt_rad=tilt_rad,
            chance=float(said.chance[k, i, b]),
            lower=float(said.lower[k, i, b]),
            learned=bool(said.learned[k, i, b]),
            cycle_s=float(self._cycles()[k]),
            value=float(worth[k, i, b]),
            reason=self._reason(self._items[i], way, tilt_rad, offers.rows[k, i, b]),
        )

    def _reason(self, item: Item, way: str, tilt_rad: float, row: FloatArray) -> str:
        wide = f"the item of {1e3 * item.width_m:.0f} mm"
        if way == "direct":
            return f"a gap takes {wide} with {1e3 * row[_COLUMN['clearance_m']]:.0f} mm on each side"
        if way == "sweep":
            return (
                f"the blade makes room for {wide}, pushing {_count(int(row[_COLUMN['moved_blocks']]))} by "
                f"{1e3 * row[_COLUMN['sweep_m']]:.0f} mm with about {row[_COLUMN['force_n']]:.0f} N"
            )
        lying = ", lying on its side," if tilt_rad else ""
        return f"{wide} goes{lying} on top of what is {1e3 * row[_COLUMN['support_z_m']]:.0f} mm high"


def _count(blocks: int) -> str:
    return "1 block" if blocks == 1 else f"{blocks} blocks"


@dataclass(frozen=True, eq=False)
class _Prediction:
    """(ways, items, bins) each."""

    chance: FloatArray
    lower: FloatArray
    learned: BoolArray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Offers:
    """Every way for every item and bin."""

    rows: FloatArray
    """(ways, items, bins, len(FEATURES))."""
    there: BoolArray
    """(ways, items, bins)."""
    fill: FloatArray
    """(ways, items, bins) share of the width it uses that it fills."""


def _fit_chance(clearance_m: FloatArray) -> FloatArray:
    one_side = 0.5 * (1.0 + erf((clearance_m + 0.001) / (0.0025 * np.sqrt(2.0))))
    chance: FloatArray = 0.98 * one_side**2
    return chance
