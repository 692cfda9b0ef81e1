"""What a bin affords: gaps that take the item as they are, and sweeps of the blade that make one.

Both are found on the line along y: the bin is cut into blocks and gaps over the depth and height that the item needs.
Figures here are our assumptions; none is published.
"""

from dataclasses import dataclass
from typing import Final

from podhand.core.errors import PlanningError
from podhand.core.items import Item
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import BinModel, Block, Gap, Layout

GRAVITY_M_S2 = 9.81
SPACE_MAKERS: Final = frozenset({"sweep", "flip_up", "stack", "slot"})
"""Ways to find room where no gap takes the item as it is."""
USUAL_MOVES: Final = frozenset({"sweep", "stack"})
"""What stows try by themselves: the others made no difference in the standard world (docs/results.md)."""
_SHARES: Final = (0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85)
"""How the missing width is divided between two pushes."""
WAYS_TO_EJECT: Final = ("belts", "drop_push")


@dataclass(frozen=True, kw_only=True)
class StowRules:
    """Margins and beliefs of the stow decision, and what it may use.

    Raises:
        PlanningError: a space-maker or a way to eject that does not exist.
    """

    moves: frozenset[str] = USUAL_MOVES
    """Space-makers that may be used."""
    eject: str = "belts"
    """How the item leaves the paddles: "belts", or "drop_push": the open paddles push it in."""
    feeling: bool = True
    """Whether blade and sweep may be led by what they feel; False plays the plan as it is."""
    least_success: float = 0.75
    """A plan with a lower prediction is refused."""
    item_bottom_m: float = 0.020
    """The item enters this high over the floor, above hook and lower paddle edges."""
    limp_bottom_m: float = 0.014
    """The same for an item that gives way: falling from higher, it would curl up on its front end and roll back."""
    tool_over_item_bottom_m: float = 0.050
    """Tool z over the item's lower side, as it was received."""
    mouth_x_m: float = -0.026
    """Paddles, retracted blade and held item stay in front of the bands, with room for the error of the found bin."""
    min_side_m: float = 0.004
    """Least clearance on each side of the item: errors of perception (about 2 mm), grip and pose."""
    wish_side_m: float = 0.009
    """Clearance that is taken where it can be had."""
    clear_half_width_m: float = 0.135
    """Beyond it the held-down bands rise to their ends at the walls: items and blade pass there only if they must."""
    depth_margin_m: float = 0.012
    height_margin_m: float = 0.010
    blade_side_m: float = 0.004
    """Least clearance on each side of the entering blade."""
    blade_wish_m: float = 0.007
    blade_tip_m: float = 0.012
    """The blade's tip stays this far from what is behind the gap."""
    blade_bite_m: float = 0.012
    """Height of a block over the blade's lower edge that it needs to be pushed and not run over."""
    blade_bending_n_m_rad: float = 120.0
    block_density_kg_m3: float = 275.0
    """Of goods with their air, mean; the masses in a bin are not known."""
    friction: float = 0.58
    """Between goods and fabric, mean."""
    loss_per_contact_m: float = 0.0005
    """What a gap does not give when it closes: blocks turn a little and are not plane."""
    max_force_share: float = 0.75
    """Of the sweep's force limit that the predicted force may reach; the rest is for what is not known."""
    drop_open_m: float = 0.010
    """The paddles open by this to drop an item in the bin."""
    drop_behind_m: float = 0.016
    """The mouth goes in by the item's length and this: its rear is then behind the bands."""
    second_push_share: float = 0.97
    """What a second push leaves of the prediction of a sweep."""
    stack_drop_m: float = 0.010
    """An item that is put on top of something enters this high over it."""
    stack_search_m: float = 0.006
    """It is lowered so much deeper than the top was seen, in search of it; what is deeper is something else."""
    stack_reach_m: float = 0.025
    """Its end reaches so far over what shall carry it when that is felt for; its setback between the paddles counts."""
    most_out: float = 0.6
    """Share of its length that may be out of the paddles then."""
    stack_blind_m: float = 0.004
    """Where the item is too short to feel with, it is let go this high over what was seen."""
    least_carried: float = 0.70
    """Share of an item's length that must rest on what carries it."""
    most_slope_rad: float = 0.05
    """Of what carries an item."""
    most_uneven_m: float = 0.002
    """How far its heights scatter about their plane."""
    max_tilt_rad: float = 0.436
    """Largest roll of an item into a slanted gap."""
    tilt_step_rad: float = 0.0436
    least_tilt_rad: float = 0.08
    """An item that leans less than this needs no slot."""
    slot_side_m: float = 0.005
    """Least clearance in a slot: its sides are seen worse than those of an upright gap."""

    def __post_init__(self) -> None:
        """Check the names."""
        for name in self.moves - SPACE_MAKERS:
            raise PlanningError(f"moves must be among {', '.join(sorted(SPACE_MAKERS))} (got {name!r})")
        if self.eject not in WAYS_TO_EJECT:
            raise PlanningError(f"eject must be one of {', '.join(WAYS_TO_EJECT)} (got {self.eject!r})")

    def bottom_m(self, item: Item) -> float:
        """Return how high over the floor an item enters [m]."""
        return self.limp_bottom_m if item.gives_way else self.item_bottom_m


@dataclass(frozen=True, kw_only=True)
class DirectStow:
    """A gap that takes the item as it is."""

    gap: Gap
    clearance_m: float
    y_item_m: float


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A blade entry, and how far to push so that the item has room on the blade's inner side."""

    direction: int
    """+1 pushes to +y, -1 to -y."""
    gap: Gap
    """Where the blade goes in."""
    blade_y_m: float
    """Of the blade's mid plane at entry."""
    blade_reach_m: float
    """x of the blade's tip in the bin."""
    distance_m: float
    """How far the tool moves while sweeping."""
    blade_stays: bool
    """True: the blade stays as a fence while the item enters; False: it leaves first and the tool moves closer."""
    y_item_m: float
    clearance_m: float
    moved: tuple[Block, ...]
    force_n: float
    """Of the heavier push when there are two."""
    back_m: float = 0.0
    """How far the tool then moves the other way, to push what stands there too; 0: not at all."""


@dataclass(frozen=True, kw_only=True)
class NoSweep:
    """Why a gap and direction do not do."""

    reason: str
    severity: int
    """How close it came: the largest is worth telling."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What must be free for an item to enter; for ``drop_push`` with the open paddles around it."""

    width_m: float
    depth_m: float
    height_m: float
    """From the floor."""
    enter_x_m: float
    """How far the mouth goes into the bin; 0: it stays in front of it."""


def passage(item: Item, tool: StowTool, rules: StowRules) -> Passage:
    """Return what an item needs that is ejected upright onto the floor."""
    width_m = item.width_m
    depth_m = item.length_m + rules.depth_margin_m
    height_m = rules.bottom_m(item) + item.height_m + rules.height_margin_m
    if rules.eject == "belts":
        return Passage(width_m=width_m, depth_m=depth_m, height_m=height_m, enter_x_m=0.0)
    # The blade's side is wider; it may be on either.
    outer_m = 2 * tool.half_width_m(width_m + rules.drop_open_m)
    upper_m = rules.bottom_m(item) + rules.tool_over_item_bottom_m + tool.paddle_half_height_m + rules.height_margin_m
    enter_m = item.length_m + rules.drop_behind_m
    return Passage(
        width_m=outer_m, depth_m=enter_m + rules.depth_margin_m, height_m=max(height_m, upper_m), enter_x_m=enter_m
    )


def direct_stows(model: BinModel, way: Passage, rules: StowRules) -> list[DirectStow]:
    """Return the gaps wide enough for an item, most clearance first."""
    if way.height_m > model.size_m[2]:
        return []
    found = []
    for gap in model.gaps(depth_m=way.depth_m, height_m=way.height_m):
        clearance = (gap.width_m - way.width_m) / 2
        # Single surface points in a gap are the bulge of what stands beside it: then there must be room to spare.
        clean = gap.depth_m >= way.depth_m
        if clearance >= (rules.min_side_m if clean else rules.wish_side_m):
            found.append(
                DirectStow(
                    gap=gap, clearance_m=min(clearance, 2 * rules.wish_side_m), y_item_m=_place_in(gap, way, rules)
                )
            )
    return sorted(found, key=lambda d: -d.clearance_m)


def _place_in(gap: Gap, way: Passage, rules: StowRules) -> float:
    """Choose the item's middle: central in a narrow gap, beside the outer neighbour in a wide one, to keep the rest."""
    half = way.width_m / 2
    side = min(gap.width_m / 2 - half, 2 * rules.wish_side_m)
    outer = gap.y_low_m + gap.y_high_m
    y = gap.y_high_m - side - half if outer >= 0.0 else gap.y_low_m + side + half
    clear = max(rules.clear_half_width_m - half, 0.0)
    side = min(side, rules.wish_side_m)
    low, high = gap.y_low_m + side + half, gap.y_high_m - side - half
    return min(max(min(max(y, -clear), clear), low), high)


def sweeps(
    model: BinModel, item: Item, way: Passage, tool: StowTool, rules: StowRules, *, force_limit_n: float
) -> tuple[list[Sweep], list[NoSweep]]:
    """Return the sweeps that make room, and why the other gaps and directions do not."""
    if way.height_m > model.size_m[2]:
        return [], []
    blade_top = rules.bottom_m(item) + rules.tool_over_item_bottom_m + tool.blade_half_height_m
    layout = model.layout(depth_m=way.depth_m, height_m=max(way.height_m, blade_top))
    search = _SweepSearch(
        model=model, layout=layout, item=item, way=way, tool=tool, rules=rules, force_limit_n=force_limit_n
    )
    found: list[Sweep] = []
    failed: list[NoSweep] = []
    for gap in layout.gaps:
        pushes = {direction: search.open_gap(gap, direction) for direction in (-1, 1)}
        for push in pushes.values():
            result = push if isinstance(push, NoSweep) else search.fits(push)
            if isinstance(result, NoSweep):
                failed.append(result)
            else:
                found.extend(result)
        found.extend(search.both_ways(pushes[-1], pushes[1]))
    return found, failed


@dataclass(frozen=True, kw_only=True)
class _Push:
    """What a blade in a gap can push in one direction. ``near`` and ``far`` grow along the push: s = direction * y."""

    gap: Gap
    direction: int
    near: float
    """The gap's end next to what is pushed."""
    far: float
    """Its other end."""
    blocks: tuple[Block, ...]
    """Nearest first."""
    reach: float
    """x of the blade's tip."""
    room: float
    """How far the nearest can be pushed before everything touches the wall."""


@dataclass(frozen=True, kw_only=True)
class _SweepSearch:
    """Geometry of one blade entry."""

    model: BinModel
    layout: Layout
    item: Item
    way: Passage
    tool: StowTool
    rules: StowRules
    force_limit_n: float

    def open_gap(self, gap: Gap, direction: int) -> _Push | NoSweep:
        """Return what a blade that enters a gap can push in a direction, or why it cannot."""
        rules, tool = self.rules, self.tool
        need = tool.blade_thickness_m + 2 * rules.blade_side_m
        if gap.width_m < need:
            return NoSweep(reason=f"the blade needs a gap of {1e3 * need:.0f} mm to enter", severity=0)
        near, far = _along(gap, direction)
        blocks = self._blocks_ahead(near, direction)
        if not blocks:
            return NoSweep(reason=f"there is nothing to push to the {_side(direction)}", severity=1)
        first = blocks[0]
        if not first.seen:
            return NoSweep(reason="what the blade would push is hidden from all cameras", severity=2)
        reach = self._reach(gap, first)
        if isinstance(reach, NoSweep):
            return reach
        room = self._room(near, direction, first)
        return _Push(gap=gap, direction=direction, near=near, far=far, blocks=tuple(blocks), reach=reach, room=room)

    def _blocks_ahead(self, near: float, direction: int) -> list[Block]:
        """Return the blocks beyond the gap in the sweep's direction, nearest first."""
        ahead = [b for b in self.layout.blocks if direction * (b.y_low_m + b.y_high_m) / 2 > near]
        return sorted(ahead, key=lambda b: direction * b.y_low_m)

    def _reach(self, gap: Gap, first: Block) -> float | NoSweep:
        """Choose how far the blade goes in: past the middle of all that it should push."""
        rules, tool = self.rules, self.tool
        blade_low = rules.bottom_m(self.item) + rules.tool_over_item_bottom_m - tool.blade_half_height_m
        if first.top_z_m < blade_low + rules.blade_bite_m:
            return NoSweep(
                reason=f"the block to push is only {1e3 * first.top_z_m:.0f} mm high, the blade would run over it",
                severity=2,
            )
        longest = min(gap.depth_m - rules.blade_tip_m, tool.blade_rest_m + tool.blade_stroke_m + rules.mouth_x_m)
        length = first.back_x_m - first.front_x_m
        wish = max(first.front_x_m + 0.85 * length, 0.8 * self.item.length_m)
        if longest < first.front_x_m + 0.55 * length:
            return NoSweep(reason="the gap is not deep enough for the blade to push the block squarely", severity=2)
        return min(wish, longest)

    def _room(self, near: float, direction: int, first: Block) -> float:
        """Return how far the block in front of the blade can be pushed before everything touches the wall."""
        wall = self.model.size_m[1] / 2
        low, high = (near, wall) if direction > 0 else (-wall, -near)
        depth = min(max(self.layout.depth_m, first.back_x_m), self.model.size_m[0] - 0.015)
        free = self.model.free_width_m(low, high, depth_m=depth, height_m=self.layout.height_m)
        contacts = len(self._blocks_ahead(near, direction))
        return free - contacts * self.rules.loss_per_contact_m

    def fits(self, push: _Push) -> list[Sweep] | NoSweep:
        """Return the pushes that give the item its place: with and without the blade as a fence, ample and tight."""
        rules, width, t = self.rules, self.way.width_m, self.tool.blade_thickness_m
        walled = self.model.size_m[1] / 2 + push.far < 1e-6
        at_wall = (self.model.size_m[1] / 2 - rules.clear_half_width_m,) if walled else ()
        found = []
        heavy: NoSweep | None = None
        # Paddles that go in themselves have no room for a blade as a fence.
        for blade_stays in (False,) if self.way.enter_x_m else (True, False):
            for side in (*at_wall, rules.wish_side_m, rules.min_side_m):
                behind = self._fence_m + t if blade_stays else min(side, rules.wish_side_m)
                # The item keeps clear of the far border; the pushed block's face ends where item and blade end.
                way = push.far + side + width + behind - push.near
                if way > push.room:
                    continue
                moved, force = self._force(push, max(way, 0.0))
                if force > rules.max_force_share * self.force_limit_n:
                    heavy = self._too_heavy(force)
                    continue
                bend = 0.0 if blade_stays else self._bend_m(force, push.reach)
                start = self._start(push)
                end = push.near + way - t / 2 + bend
                found.append(
                    Sweep(
                        direction=push.direction, gap=push.gap, blade_y_m=push.direction * start,
                        blade_reach_m=push.reach, distance_m=max(end - start, 0.0), blade_stays=blade_stays,
                        y_item_m=push.direction * (push.far + side + width / 2),
                        clearance_m=min(side, rules.wish_side_m), moved=moved, force_n=force,
                    )
                )  # fmt: skip
        return found or heavy or self._too_narrow(push.direction, push.near - push.far + push.room)

    def both_ways(self, right: _Push | NoSweep, left: _Push | NoSweep) -> list[Sweep]:
        """Return the sweeps that push to one side and then to the other, so that each push moves less."""
        if isinstance(right, NoSweep) or isinstance(left, NoSweep):
            return []
        width, most = self.way.width_m, self.rules.max_force_share * self.force_limit_n
        found = []
        for side in (self.rules.wish_side_m, self.rules.min_side_m):
            need = width + 2 * side - right.gap.width_m
            for share in _SHARES:
                ways = (share * need, (1.0 - share) * need)
                if ways[0] > right.room or ways[1] > left.room:
                    continue
                pushes = [(push, way, *self._force(push, way)) for push, way in zip((right, left), ways, strict=True)]
                if max(force for *_, force in pushes) <= most:
                    # The lighter push first: what it meets cannot come back while the heavier one goes on.
                    found.append(self._twice(sorted(pushes, key=lambda one: one[3]), side))
        return sorted(found, key=lambda sweep: sweep.force_n)[:2]

    def _twice(self, pushes: "list[tuple[_Push, float, tuple[Block, ...], float]]", side: float) -> Sweep:
        (first, way, moved, force), (second, back, moved_back, force_back) = pushes
        t, reach = self.tool.blade_thickness_m, max(first.reach, second.reach)
        start = self._start(first)
        end = first.near + way - t / 2 + self._bend_m(force, reach)
        # Coordinates of the second push have the other sign.
        end_back = second.near + back - t / 2 + self._bend_m(force_back, reach)
        return Sweep(
            direction=first.direction, gap=first.gap, blade_y_m=first.direction * start, blade_reach_m=reach,
            distance_m=end - start, blade_stays=False, back_m=end + end_back,
            y_item_m=second.direction * (second.near + back - side - self.way.width_m / 2),
            clearance_m=side, moved=moved + moved_back, force_n=max(force, force_back),
        )  # fmt: skip

    def _start(self, push: _Push) -> float:
        """Return where the blade's mid plane enters, along the push."""
        return push.near - self.tool.blade_thickness_m / 2 - _entry_margin(push.gap, self.rules, self.tool)

    def _bend_m(self, force_n: float, reach_m: float) -> float:
        """Return how far the blade's tip stays behind."""
        return force_n * reach_m**2 / (3 * self.rules.blade_bending_n_m_rad)

    @property
    def _fence_m(self) -> float:
        """Distance from the item's side to the inner face of the blade beside it [m]."""
        opening, tool = self.item.width_m, self.tool
        return -tool.blade_offset_m(opening) - tool.blade_thickness_m / 2 - opening / 2

    def _too_heavy(self, force: float) -> NoSweep:
        return NoSweep(
            reason=f"what stands in the way is too heavy: about {force:.0f} N to push it, "
            f"{self.rules.max_force_share * self.force_limit_n:.0f} N are allowed",
            severity=4,
        )

    def _too_narrow(self, direction: int, widest: float) -> NoSweep:
        needed = self.way.width_m + 2 * self.rules.min_side_m
        return NoSweep(
            reason=f"pushing everything to the {_side(direction)} makes a gap of {1e3 * widest:.0f} mm, "
            f"the item needs {1e3 * needed:.0f} mm",
            severity=3,
        )

    def _force(self, push: _Push, way: float) -> tuple[tuple[Block, ...], float]:
        """Return the blocks that a push moves and the force to slide them all [N]."""
        rules = self.rules
        moved: list[Block] = []
        front = push.near + way
        for block in push.blocks if way > 0.0 else ():
            start = push.direction * (block.y_low_m if push.direction > 0 else block.y_high_m)
            if start >= front:
                break
            moved.append(block)
            front += block.width_m
        volume = sum(b.volume_m3 for b in moved)
        return tuple(moved), volume * rules.block_density_kg_m3 * rules.friction * GRAVITY_M_S2


def _side(direction: int) -> str:
    return "left" if direction > 0 else "right"


def _along(gap: Gap, direction: int) -> tuple[float, float]:
    """Return the gap's end next to what is pushed and its other end, in coordinates that grow along the sweep."""
    return (gap.y_high_m, gap.y_low_m) if direction > 0 else (-gap.y_low_m, -gap.y_high_m)


def _entry_margin(gap: Gap, rules: StowRules, tool: StowTool) -> float:
    return min((gap.width_m - tool.blade_thickness_m) / 2, rules.blade_wish_m)
