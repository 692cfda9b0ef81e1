"""Pictures of what was seen and what is planned, for reports and for people who wonder why."""

import textwrap
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from podhand.core.poses import FloatArray, inverse
from podhand.perception.bin_model import BinModel, Block, Layout

_INK = "#1f2933"
_BLOCK, _HIDDEN, _FREE = "#b08d57", "#c9ced6", "#7bc47f"
_ITEM, _BLADE, _PADDLE = "#2f6fde", "#d6336c", "#5f6b7a"
_OCCUPANCY = ListedColormap(["#ffffff", "#d9b98a", "#e4e7eb"])
_MM = 1e3


class Reasoned(Protocol):
    """A decision that can say why; a refusal has no more than this."""

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...


@runtime_checkable
class DrawablePlan(Protocol):
    """What of a stow plan can be drawn; places in the found bin frame."""

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...

    @property
    def sweep_direction(self) -> int:
        """+1 to +y, -1 to -y, 0 no sweep."""
        ...

    @property
    def sweep_distance_m(self) -> float:
        """How far the blade pushes."""
        ...

    @property
    def blade_y_m(self) -> float:
        """Where the blade enters."""
        ...

    @property
    def blade_reach_m(self) -> float:
        """How far in its tip goes."""
        ...

    @property
    def mouth_x_m(self) -> float:
        """Where the paddles stop."""
        ...

    @property
    def y_eject_m(self) -> float:
        """Middle of the item while it enters."""
        ...

    @property
    def predicted_success(self) -> float:
        """0 … 1."""
        ...

    @property
    def predicted_force_n(self) -> float:
        """Of the sweep."""
        ...

    @property
    def tilt_rad(self) -> float:
        """Roll of the item about x."""
        ...

    @property
    def item_size_m(self) -> tuple[float, float, float]:
        """Sides of the item along x, y, z."""
        ...

    @property
    def item_place_m(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Corners of the item's last place."""
        ...


def draw_bin_model(model: BinModel, decision: Reasoned | None, path: Path | str) -> Path:
    """Write a picture of a bin model, and of the decision made on it, as PNG.

    Args:
        model: the bin as seen.
        decision: a stow plan, a refusal, or None.
        path: where to write; the folder exists.

    Returns:
        The path written to.
    """
    path = Path(path)
    figure = bin_figure(model, decision)
    FigureCanvasAgg(figure).print_figure(path, format="png")
    return path


def bin_figure(model: BinModel, decision: Reasoned | None) -> Figure:
    """Return the picture as a matplotlib figure: camera view, front, top, and the reason in words."""
    figure = Figure(figsize=(13.0, 8.4), facecolor="#fbfaf7", layout="constrained")
    panels = figure.subplot_mosaic(
        [["depth", "front"], ["words", "top"]], width_ratios=[1.0, 1.15], height_ratios=[1.0, 1.15]
    )
    plan = decision if isinstance(decision, DrawablePlan) else None
    layout = _layout_for(model, plan)
    _draw_depth(panels["depth"], model)
    _draw_front(panels["front"], model, layout, plan)
    _draw_top(panels["top"], model, layout, plan)
    _write_words(panels["words"], model, layout, decision, plan)
    return figure


def _layout_for(model: BinModel, plan: DrawablePlan | None) -> Layout:
    if plan is None:
        return model.layout(depth_m=0.5 * model.size_m[0], height_m=0.6 * model.size_m[2])
    length, _, height = plan.item_size_m
    return model.layout(depth_m=length + 0.012, height_m=min(height + 0.03, model.size_m[2]))


def _draw_depth(axes: Axes, model: BinModel) -> None:
    """Draw one camera's depth with the found bin laid over it."""
    k = len(model.frames) // 2 if len(model.frames) != 3 else 0
    frame, X_bin_camera = model.frames[k], model.registration.X_bin_cameras[k]
    depth = np.where(frame.depth_m > 0.0, frame.depth_m, np.nan)
    low, high = np.nanpercentile(depth, [2, 98])
    picture = axes.imshow(depth, cmap="viridis_r", vmin=low, vmax=high, interpolation="nearest")
    axes.figure.colorbar(picture, ax=axes, shrink=0.8, label="depth [m]")
    lx, ly, lz = model.size_m
    for x in (0.0, lx):
        corners = np.array([(x, s * ly / 2, z) for s, z in ((1, 0), (1, lz), (-1, lz), (-1, 0), (1, 0))])
        uv = _project(corners, frame.K, inverse(X_bin_camera))
        axes.plot(uv[:, 0], uv[:, 1], color="#ff5d5d", lw=1.6 if x == 0.0 else 0.9)
    axes.set_xlim(-0.5, depth.shape[1] - 0.5)
    axes.set_ylim(depth.shape[0] - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"camera '{frame.name}', found bin in red", color=_INK)


def _project(p_bin_m: FloatArray, K: FloatArray, X_camera_bin: FloatArray) -> FloatArray:
    p = p_bin_m @ X_camera_bin[:3, :3].T + X_camera_bin[:3, 3]
    uvw = p @ K.T
    uv: FloatArray = uvw[:, :2] / uvw[:, 2:]
    return uv


def _draw_front(axes: Axes, model: BinModel, layout: Layout, plan: DrawablePlan | None) -> None:
    """Draw the bin as seen from the station: +y is left."""
    _, ly, lz = model.size_m
    occupied = model.occupancy == 1
    nearest = np.where(occupied.any(axis=0), occupied.argmax(axis=0) * model.voxel_m, np.nan)
    extent = (-_MM * ly / 2, _MM * ly / 2, 0.0, _MM * lz)
    axes.imshow(_MM * nearest.T, origin="lower", extent=extent, cmap="YlOrBr_r", vmin=-50, vmax=500, aspect="equal")
    _frame(axes, extent)
    for gap in layout.gaps:
        _box(axes, gap.y_low_m, 0.0, gap.width_m, layout.height_m, face=_FREE, alpha=0.30)
    for block in layout.blocks:
        _box(axes, block.y_low_m, 0.0, block.width_m, min(block.top_z_m, lz), edge=_INK, lw=1.4,
             hatch=None if block.seen else "///")  # fmt: skip
    if plan is not None:
        low, high = plan.item_place_m
        _, width, height = plan.item_size_m
        middle = _MM * np.array([(low[1] + high[1]) / 2, (low[2] + high[2]) / 2])
        axes.add_patch(
            Rectangle(
                (middle[0] - _MM * width / 2, middle[1] - _MM * height / 2), _MM * width, _MM * height,
                angle=np.rad2deg(plan.tilt_rad), rotation_point="center", facecolor=_ITEM, edgecolor=_ITEM, alpha=0.35,
                lw=2.0,
            )
        )  # fmt: skip
        if plan.sweep_direction:
            axes.plot([_MM * plan.blade_y_m] * 2, [25, 115], color=_BLADE, lw=3, solid_capstyle="butt")
            _arrow(axes, plan.blade_y_m, plan.blade_y_m + plan.sweep_direction * plan.sweep_distance_m, 70.0)
    axes.set_title("from the front: surfaces (darker is nearer), gaps green, item's place blue", color=_INK)
    axes.set_xlabel("y [mm], left is left")
    axes.set_ylabel("z [mm]")


def _draw_top(axes: Axes, model: BinModel, layout: Layout, plan: DrawablePlan | None) -> None:
    """Draw the bin from above; the station is below."""
    lx, ly, _ = model.size_m
    levels = slice(1, max(2, round(layout.height_m / model.voxel_m)))
    slab = model.occupancy[:, :, levels]
    state = np.where((slab == 1).mean(axis=2) > 0.1, 1, np.where((slab == 0).any(axis=2), 0, 2))
    extent = (-_MM * ly / 2, _MM * ly / 2, 0.0, _MM * lx)
    axes.imshow(state, origin="lower", extent=extent, cmap=_OCCUPANCY, vmin=0, vmax=2, aspect="equal")
    _frame(axes, extent)
    for gap in layout.gaps:
        _box(axes, gap.y_low_m, 0.0, gap.width_m, gap.depth_m, face=_FREE, edge="#2b8a3e", alpha=0.25, lw=0.8)
        axes.text(_MM * (gap.y_low_m + gap.y_high_m) / 2, _MM * min(0.97 * lx, gap.depth_m) - 12,
                  f"{_MM * gap.width_m:.0f}", ha="center", va="center", fontsize=8, color="#2b8a3e")  # fmt: skip
    for block in layout.blocks:
        _draw_block(axes, block)
    if plan is not None:
        _draw_plan(axes, plan)
    axes.set_ylim(-75 if plan is not None else -15, _MM * lx + 5)
    axes.set_title("from above: seen surfaces tan, not seen grey, gap widths in mm", color=_INK)
    axes.set_xlabel("y [mm], left is left")
    axes.set_ylabel("x [mm], into the bin")


def _draw_block(axes: Axes, block: Block) -> None:
    _box(axes, block.y_low_m, block.front_x_m, block.width_m, block.back_x_m - block.front_x_m,
         face=_BLOCK if block.seen else _HIDDEN, edge=_INK, alpha=0.35, lw=1.4)  # fmt: skip


def _draw_plan(axes: Axes, plan: DrawablePlan) -> None:
    """Draw item, paddles, blade line and sweep."""
    low, high = plan.item_place_m
    _box(axes, low[1], low[0], high[1] - low[1], high[0] - low[0], face=_ITEM, edge=_ITEM, alpha=0.35, lw=2.0)
    axes.text(
        _MM * (low[1] + high[1]) / 2, _MM * (low[0] + high[0]) / 2, "item", ha="center", color="white", weight="bold"
    )
    half = plan.item_size_m[1] / 2
    for side in (-1.0, 1.0):
        inner = plan.y_eject_m + side * half
        _box(axes, min(inner, inner + side * 0.012), -0.075, 0.012, 0.075 + plan.mouth_x_m, face=_PADDLE, alpha=0.9)
    if plan.sweep_direction:
        end = plan.blade_y_m + plan.sweep_direction * plan.sweep_distance_m
        depth = [_MM * plan.mouth_x_m, _MM * plan.blade_reach_m]
        axes.plot([_MM * plan.blade_y_m] * 2, depth, color=_BLADE, lw=2.5, ls=":")
        axes.plot([_MM * end] * 2, depth, color=_BLADE, lw=2.5)
        _arrow(axes, plan.blade_y_m, end, 0.6 * _MM * plan.blade_reach_m)


def _arrow(axes: Axes, start_m: float, end_m: float, height: float) -> None:
    axes.annotate("", (_MM * end_m, height), (_MM * start_m, height),
                  arrowprops={"arrowstyle": "-|>", "color": _BLADE, "lw": 2.2, "mutation_scale": 16})  # fmt: skip


def _box(
    axes: Axes, y_m: float, base_m: float, width_m: float, length_m: float, *, face: str = "none",
    edge: str = "none", alpha: float = 1.0, lw: float = 0.0, hatch: str | None = None,
) -> None:  # fmt: skip
    axes.add_patch(
        Rectangle((_MM * y_m, _MM * base_m), _MM * width_m, _MM * length_m, facecolor=face, edgecolor=edge,
                  alpha=alpha, lw=lw, hatch=hatch)
    )  # fmt: skip


def _frame(axes: Axes, extent: tuple[float, float, float, float]) -> None:
    """Outline the bin and turn the axis, so that +y is left as it is for the robot."""
    axes.add_patch(
        Rectangle((extent[0], extent[2]), extent[1] - extent[0], extent[3], facecolor="none", edgecolor=_INK, lw=2.2)
    )
    axes.set_xlim(extent[1] + 12, extent[0] - 12)
    axes.set_facecolor("#fbfaf7")


def _write_words(
    axes: Axes, model: BinModel, layout: Layout, decision: Reasoned | None, plan: DrawablePlan | None
) -> None:
    axes.set_axis_off()
    found = model.registration
    head = "seen" if decision is None else ("sweep, then stow" if plan and plan.sweep_direction else "stow")
    head = "not stowed" if decision is not None and plan is None else head
    axes.text(0.0, 0.97, head, fontsize=20, weight="bold", color=_INK, va="top", transform=axes.transAxes)
    lines = textwrap.wrap(decision.reason[:1].upper() + decision.reason[1:] + ".", 62) if decision else []
    if plan is not None:
        lines += ["", f"predicted success {100 * plan.predicted_success:.0f} %"]
        if plan.sweep_direction:
            lines[-1] += f", sweep force about {plan.predicted_force_n:.0f} N"
    free = sum(gap.width_m for gap in layout.gaps)
    lines += [
        "",
        f"{len(layout.blocks)} blocks, {len(layout.gaps)} gaps, {_MM * free:.0f} mm free along y",
        f"bin found {_MM * found.shift_m:.1f} mm and {np.rad2deg(found.angle_rad):.2f}° from its nominal pose,",
        f"walls and edges fit within {_MM * found.rms_m:.1f} mm (rms, {sum(found.points.values())} points)",
        "known pixels: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in model.known_shares.items()),
    ]
    axes.text(0.0, 0.82, "\n".join(lines), fontsize=11.5, color=_INK, va="top", linespacing=1.5,
              transform=axes.transAxes)  # fmt: skip
