"""Pictures of a stow, as PNG bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from podhand.app.steps import WAITING, Step
from podhand.core.poses import FloatArray

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
FORCE, LIMIT, RAW = "#0b69a3", "#d64545", "#bcccdc"
SHADES = ("#f0f4f8", "#dfe8f1")
SHORTEST_SHOWN_S = 0.05
STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 9.0, "axes.edgecolor": MUTED, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 10.0, "axes.titleweight": "bold", "axes.titlelocation": "left",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ForceTrace:
    """Force over time, all arrays (n,): time [s], filtered and raw |F| [N], the limit in force [N] (inf: none)."""

    time_s: FloatArray
    filtered_n: FloatArray
    raw_n: FloatArray
    limit_n: FloatArray


@dataclass(frozen=True, kw_only=True)
class BinPicture:
    """A bin as perception sees it: voxels (nx, ny, nz) of 0 free, 1 occupied, 2 unknown, and what is planned."""

    voxels: NDArray[np.uint8]
    voxel_m: float
    size_m: tuple[float, float, float]
    title: str
    placement_min_m: tuple[float, float, float] | None = None
    placement_max_m: tuple[float, float, float] | None = None
    blade_y_m: float | None = None
    blade_depth_m: float = 0.0
    sweep_m: float = 0.0
    """Signed distance of the planned sweep along y of the bin."""


def force_plot(trace: ForceTrace, steps: Sequence[Step]) -> bytes:
    """Draw force against its limit, with the primitives shaded."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 3.6), layout="constrained")
        axes = figure.add_subplot()
        top = _force_top(trace)
        _shade(axes, steps, top)
        axes.plot(trace.time_s, np.minimum(trace.raw_n, top), color=RAW, lw=0.6, label="raw |F|")
        axes.plot(trace.time_s, trace.filtered_n, color=FORCE, lw=1.1, label="filtered |F|")
        limit = np.where(np.isfinite(trace.limit_n), trace.limit_n, np.nan)
        axes.plot(trace.time_s, limit, color=LIMIT, lw=1.2, drawstyle="steps-post", label="limit")
        axes.set(xlabel="time [s]", ylabel="force on the tool [N]", ylim=(0.0, top), xlim=_span(trace.time_s))
        axes.grid(axis="y", color=GRID, lw=0.6)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return _png(figure)


def time_plot(times: Mapping[str, Mapping[str, Mapping[str, float]]]) -> bytes:
    """Draw where the time of a mean cycle goes, one stacked bar per campaign.

    Args:
        times: per campaign's label, its ``primitives`` as in the summary.
    """
    most_s = {name: max(_part_s(b, name) for b in times.values()) for bars in times.values() for name in bars}
    names = sorted((name for name in most_s if most_s[name] > 0.0), key=lambda name: -most_s[name])
    colours = matplotlib.colormaps["tab20"](np.arange(20))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 1.5 + 0.55 * len(times)), layout="constrained")
        axes = figure.add_subplot()
        for row, bars in enumerate(times.values()):
            left_s = 0.0
            for k, name in enumerate(names):
                part_s = _part_s(bars, name)
                colour = GRID if name == WAITING else colours[k % len(colours)]
                axes.barh(row, part_s, left=left_s, height=0.62, color=colour, label=name if row == 0 else None)
                if part_s > 0.5:
                    axes.text(left_s + part_s / 2, row, f"{part_s:.1f}", ha="center", va="center", fontsize=8.0)
                left_s += part_s
            axes.text(left_s + 0.1, row, f"{left_s:.1f} s", va="center", fontweight="bold")
        axes.set(yticks=range(len(times)), yticklabels=list(times), xlabel="mean time of a stow [s]")
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.0)
        return _png(figure)


def _part_s(bars: Mapping[str, Mapping[str, float]], name: str) -> float:
    return bars[name]["per_cycle_s"] if name in bars else 0.0


def depth_picture(frames: Sequence[tuple[str, NDArray[np.float32]]]) -> bytes:
    """Draw depth images (h, w) [m] beside each other; unknown pixels are dark."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.7 * len(frames), 3.0), layout="constrained")
        known = np.concatenate([depth[depth > 0.0] for _, depth in frames]) if frames else np.array([1.0])
        near, far = np.percentile(known, [1, 97]) if known.size else (0.0, 1.0)
        cmap = matplotlib.colormaps["viridis_r"].with_extremes(bad="#16202a")
        for index, (name, depth) in enumerate(frames):
            axes = figure.add_subplot(1, len(frames), index + 1)
            image = axes.imshow(np.where(depth > 0.0, depth, np.nan), cmap=cmap, vmin=near, vmax=far)
            axes.set(title=name, xticks=[], yticks=[])
            if index == len(frames) - 1:
                figure.colorbar(image, ax=axes, label="depth [m]", shrink=0.85)
        return _png(figure)


def bin_pictures(pictures: Sequence[BinPicture]) -> bytes:
    """Draw bin models beside each other, each from above and from the front, with plan and blade."""
    with matplotlib.rc_context(STYLE):
        panels = 2 * len(pictures)
        figure = Figure(figsize=(3.1 * panels, 3.7), layout="constrained")
        for number, picture in enumerate(pictures):
            _bin_from_above(figure.add_subplot(1, panels, 2 * number + 1), picture)
            _bin_from_front(figure.add_subplot(1, panels, 2 * number + 2), picture)
        return _png(figure)


def image_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an (h, w, 3) image."""
    from matplotlib.image import imsave

    stream = BytesIO()
    imsave(stream, np.ascontiguousarray(pixels), format="png")
    return stream.getvalue()


def _force_top(trace: ForceTrace) -> float:
    finite = trace.limit_n[np.isfinite(trace.limit_n)]
    peak = float(np.max(trace.filtered_n, initial=1.0))
    return 1.18 * max(peak, float(np.max(finite, initial=0.0)))


def _span(time_s: FloatArray) -> tuple[float, float]:
    return (float(time_s[0]), float(time_s[-1])) if time_s.size > 1 else (0.0, 1.0)


def _shade(axes: Axes, steps: Sequence[Step], top: float) -> None:
    """Shade the primitives of the arm behind the curves; the band arm's run as a thin bar below."""
    shown = 0
    for step in steps:
        if step.channel != 0:
            axes.add_patch(
                Rectangle((step.begin_s, 0.0), step.end_s - step.begin_s, 0.018 * top, color="#9b8afb", lw=0)
            )
            continue
        if step.end_s - step.begin_s < SHORTEST_SHOWN_S:
            continue
        axes.axvspan(step.begin_s, step.end_s, color=SHADES[shown % 2], lw=0, zorder=0)
        shown += 1
        label = step.name.replace("_", " ")
        middle = (step.begin_s + step.end_s) / 2
        axes.text(middle, 1.015 * top, label, rotation=38, ha="left", va="bottom", color=MUTED, fontsize=7.5)


def _bin_from_above(axes: Axes, picture: BinPicture) -> None:
    """Height of the highest occupied voxel over (y, x); the opening is below, +y (left) is left."""
    depth, width, height = picture.size_m
    occupied = picture.voxels == 1
    levels = (np.arange(occupied.shape[2]) + 1) * picture.voxel_m
    top = np.max(np.where(occupied, levels, 0.0), axis=2)
    extent = (width / 2, -width / 2, 0.0, depth)
    cmap = matplotlib.colormaps["YlGnBu"].with_extremes(bad="white")
    shown = np.where(top > 0.0, top, np.nan)[:, ::-1]
    axes.imshow(shown, origin="lower", extent=extent, cmap=cmap, vmin=0.0, vmax=height, interpolation="nearest")
    _unknown(axes, np.all(picture.voxels == 2, axis=2)[:, ::-1], extent)
    if picture.placement_min_m is not None and picture.placement_max_m is not None:
        _outline(axes, picture.placement_min_m[1], picture.placement_max_m[1], picture.placement_min_m[0],
                 picture.placement_max_m[0])  # fmt: skip
    if picture.blade_y_m is not None:
        axes.plot([picture.blade_y_m] * 2, [-0.02, picture.blade_depth_m], color=INK, lw=2.2, solid_capstyle="butt")
        if picture.sweep_m:
            axes.annotate(
                "", xy=(picture.blade_y_m + picture.sweep_m, picture.blade_depth_m / 2),
                xytext=(picture.blade_y_m, picture.blade_depth_m / 2),
                arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.4},
            )  # fmt: skip
    axes.add_patch(Rectangle((-width / 2, 0.0), width, depth, fill=False, ec=MUTED, lw=0.8))
    axes.set(title=f"{picture.title}: from above", xlabel="y [m] (left … right)", ylabel="x into the bin [m]")
    axes.set(xlim=(width / 2 + 0.01, -width / 2 - 0.01), ylim=(-0.025, depth + 0.005), aspect="equal")


def _bin_from_front(axes: Axes, picture: BinPicture) -> None:
    """Depth of the first occupied voxel over (z, y), as one looks into the bin."""
    depth, width, height = picture.size_m
    occupied = picture.voxels == 1
    first = np.where(occupied.any(axis=0), occupied.argmax(axis=0) * picture.voxel_m, np.nan)
    extent = (width / 2, -width / 2, 0.0, height)
    cmap = matplotlib.colormaps["viridis"].with_extremes(bad="white")
    axes.imshow(first.T[:, ::-1], origin="lower", extent=extent, cmap=cmap, vmin=0.0, vmax=depth,
                interpolation="nearest")  # fmt: skip
    _unknown(axes, np.all(picture.voxels == 2, axis=0).T[:, ::-1], extent)
    if picture.placement_min_m is not None and picture.placement_max_m is not None:
        _outline(axes, picture.placement_min_m[1], picture.placement_max_m[1], picture.placement_min_m[2],
                 picture.placement_max_m[2])  # fmt: skip
    axes.set(title=f"{picture.title}: from the front", xlabel="y [m] (left … right)", ylabel="z [m]", aspect="equal")


def _unknown(axes: Axes, mask: NDArray[np.bool_], extent: tuple[float, float, float, float]) -> None:
    shade = np.zeros((*mask.shape, 4))
    shade[mask] = (0.6, 0.6, 0.6, 0.35)
    axes.imshow(shade, origin="lower", extent=extent, interpolation="nearest")


def _outline(axes: Axes, y0: float, y1: float, v0: float, v1: float) -> None:
    axes.add_patch(Rectangle((y0, v0), y1 - y0, v1 - v0, fill=False, ec=LIMIT, lw=1.6, ls="--"))


def _png(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
