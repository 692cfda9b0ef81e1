"""One picture that shows where an item fits: the places drawn into a camera's view, the free boxes, and two cuts."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from podhand.core.poses import FloatArray, Pose, inverse, pose
from podhand.perception.bin_model import FreeBox
from podhand.perception.fitting import Fit, millimetres, well_apart
from podhand.perception.frames import BoolArray
from podhand.perception.free_boxes import volume_m3
from podhand.perception.fusion import Volume, cleaned
from podhand.perception.occupancy import FREE, OCCUPIED
from podhand.perception.placements import Placement

SHOWN_PLACES = 3
SHOWN_BOXES = 4
_DPI, _COLOURS = 92, 224
_INK, _PAPER, _BIN = "#1f2933", "#fbfaf7", "#f5d90a"
_PLACES = ("#1565ff", "#00a99d", "#8e44ec")
_BOXES = ("#2b8a3e", "#e8710a", "#c2185b", "#0b7285")
_STATES = ListedColormap(["#eef7ee", "#9c6b30", "#cfd4da"])
_MM = 1e3
_HIDDEN_BY_M = 0.015
"""A place is drawn pale where something is seen at least this much in front of it."""

ByteArray = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class View:
    """One camera's view as a picture to draw on."""

    picture: FloatArray
    """(h, w, 3), 0 … 1."""
    depth_m: NDArray[np.float32]
    K: FloatArray
    X_bin_camera: Pose


def draw_free_space(
    volume: Volume, boxes: Sequence[FreeBox], fit: Fit, item_m: Sequence[float], path: Path,
    colour: Sequence[ByteArray] = (),
) -> Path:  # fmt: skip
    """Write the picture as PNG with few colours, which makes it small.

    Args:
        volume: the fused bin.
        boxes: its free boxes, largest first.
        fit: what was found for the item.
        item_m: sides of the item [m].
        path: where to write; the folder exists.
        colour: (h, w, 3) per frame of the volume; without it, depth is shown in its place.
    """
    figure = Figure(figsize=(11.0, 8.3), dpi=_DPI, facecolor=_PAPER, layout="constrained")
    panels = figure.subplot_mosaic([["places", "boxes"], ["above", "front"]], height_ratios=[1.12, 1.0])
    view = _best_view(volume, colour)
    _draw_places(panels["places"], view, volume, fit)
    _draw_boxes(panels["boxes"], view, volume, boxes)
    _draw_cut(panels["above"], volume, fit, from_above=True)
    _draw_cut(panels["front"], volume, fit, from_above=False)
    figure.suptitle(_words(volume, boxes, fit, item_m), color=_INK, fontsize=11.5, x=0.01, ha="left")
    figure.supxlabel("cuts through the best place: brown occupied, grey not seen, dotted not in this cut", fontsize=8.5)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    Image.fromarray(np.ascontiguousarray(pixels)).quantize(_COLOURS, kmeans=2, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    return path


def _words(volume: Volume, boxes: Sequence[FreeBox], fit: Fit, item_m: Sequence[float]) -> str:
    head = f"{millimetres(tuple(item_m))} mm: {'fits' if fit.fits else 'does not fit'}"
    total = 1e3 * sum(volume_m3(box) for box in boxes)
    largest = f", largest {1e3 * volume_m3(boxes[0]):.1f} l" if boxes else ""
    shares = f"free {100 * volume.share(FREE):.0f} %, occupied {100 * volume.share(OCCUPIED):.0f} %, the rest not seen"
    lines = textwrap.wrap(fit.reason[:1].upper() + fit.reason[1:] + ".", 112)
    lines.append(f"{len(boxes)} free boxes, {total:.1f} l{largest}; {shares}; {len(volume.frames)} views.")
    return "\n".join([head, *lines])


def _best_view(volume: Volume, colour: Sequence[ByteArray]) -> View:
    """Take the view that looks through most of the bin."""
    n = int(np.argmax(volume.looked_through))
    frame = volume.frames[n]
    depth = cleaned(np.ascontiguousarray(frame.depth_m, np.float32))
    picture = colour[n] / 255.0 if len(colour) else _depth_picture(depth)
    return View(picture=picture, depth_m=depth, K=frame.K, X_bin_camera=volume.X_bin_cameras[n])


def _depth_picture(depth: NDArray[np.float32]) -> FloatArray:
    """Shade depth: near is light; unknown is dark grey."""
    known = depth > 0.0
    low, high = np.percentile(depth[known], [2, 98]) if known.any() else (0.0, 1.0)
    shade = np.clip((depth - low) / max(high - low, 1e-6), 0.0, 1.0)
    picture: FloatArray = np.asarray(colormaps["bone_r"](0.1 + 0.7 * shade))[..., :3]
    picture[~known] = to_rgb("#3d434b")
    return picture


def _draw_places(axes: Axes, view: View, volume: Volume, fit: Fit) -> None:
    """Lay the best places over the view as solid boxes, pale where they are hidden."""
    picture = view.picture.copy()
    shown = _shown(fit)
    for place, colour in reversed(shown):
        best = place is fit.placements[0]
        _lay_box(picture, view, place.X_bin_item, place.size_m, to_rgb(colour), opacity=0.72 if best else 0.40)
    _show(axes, picture)
    _bin_lines(axes, view, volume.size_m)
    for place, colour in shown:
        half = np.array(place.size_m) / 2
        _box_lines(axes, view, place.X_bin_item[:3, 3] - half, place.X_bin_item[:3, 3] + half, colour)
    axes.set_title(_title(len(fit.placements), len(shown)), color=_INK, fontsize=10)


def _shown(fit: Fit) -> list[tuple[Placement, str]]:
    """Return the best place and others well apart from it, with their colours."""
    return list(zip(well_apart(fit.placements, SHOWN_PLACES), _PLACES, strict=False))


def _title(count: int, shown: int) -> str:
    if count == 0:
        return "no place for it; the bin in yellow"
    others = f", and {shown - 1} of the others" if shown > 1 else ""
    return f"best of {count} places (blue){others}"


def _draw_boxes(axes: Axes, view: View, volume: Volume, boxes: Sequence[FreeBox]) -> None:
    picture = 0.55 * _depth_picture(view.depth_m) + 0.45
    for box, colour in reversed(list(zip(boxes[:SHOWN_BOXES], _BOXES, strict=False))):
        low, high = np.array(box.min_m), np.array(box.max_m)
        _lay_box(picture, view, pose(None, (low + high) / 2), tuple(high - low), to_rgb(colour), opacity=0.30)
    _show(axes, picture)
    _bin_lines(axes, view, volume.size_m)
    for box, colour in zip(boxes[:SHOWN_BOXES], _BOXES, strict=False):
        _box_lines(axes, view, np.array(box.min_m), np.array(box.max_m), colour, lw=1.4)
    axes.set_title("depth, and the largest free boxes", color=_INK, fontsize=10)


def _show(axes: Axes, picture: FloatArray) -> None:
    h, w, _ = picture.shape
    axes.imshow(np.clip(picture, 0.0, 1.0), interpolation="antialiased")
    axes.set_xlim(-0.5, w - 0.5)
    axes.set_ylim(h - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])


def _lay_box(
    picture: FloatArray, view: View, X_bin_box: Pose, size_m: Sequence[float], colour: tuple[float, float, float],
    opacity: float = 0.68,
) -> None:  # fmt: skip
    """Blend a box into the picture, its faces shaded by their direction."""
    h, w = view.depth_m.shape
    X_box_camera = inverse(X_bin_box) @ view.X_bin_camera
    rays = _rays(h, w, view.K) @ X_box_camera[:3, :3].T
    half = np.array(size_m) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (-half - X_box_camera[:3, 3]) / rays, (half - X_box_camera[:3, 3]) / rays
    first, last = np.fmin(a, b), np.fmax(a, b)
    near, face = first.max(axis=-1), first.argmax(axis=-1)
    hit = (near < last.min(axis=-1)) & (near > 0.0)
    hidden: BoolArray = (view.depth_m > 0.0) & (view.depth_m < near - _HIDDEN_BY_M)
    shade = np.array([0.92, 0.70, 1.15])[face][..., None] * np.array(colour)
    alpha = (opacity * np.where(hidden, 0.12, 1.0) * hit)[..., None]
    picture[:] = (1.0 - alpha) * picture + alpha * np.clip(shade, 0.0, 1.0)


def _rays(h: int, w: int, K: FloatArray) -> FloatArray:
    v, u = np.mgrid[:h, :w].astype(float)
    return np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], axis=-1)


_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in (1, 2, 4)]


def _box_lines(
    axes: Axes, view: View, low: FloatArray, high: FloatArray, colour: str, lw: float = 1.8, ls: str = "-"
) -> None:  # fmt: skip
    corners = np.array([[(low, high)[n >> axis & 1][axis] for axis in range(3)] for n in range(8)])
    X = inverse(view.X_bin_camera)
    p = corners @ X[:3, :3].T + X[:3, 3]
    for a, b in _EDGES:
        if min(p[a, 2], p[b, 2]) > 0.02:
            u, v = ((p[[a, b]] @ view.K.T)[:, n] / p[[a, b], 2] for n in range(2))
            axes.plot(u, v, color=colour, lw=lw, ls=ls, solid_capstyle="round")


def _bin_lines(axes: Axes, view: View, size_m: tuple[float, float, float]) -> None:
    lx, ly, lz = size_m
    _box_lines(axes, view, np.array([0.0, -ly / 2, 0.0]), np.array([lx, ly / 2, lz]), _BIN, lw=0.9, ls="--")


def _draw_cut(axes: Axes, volume: Volume, fit: Fit, *, from_above: bool) -> None:
    """Cut through the middle of the best place, or of the bin; +y is left, as it is for who stands in front."""
    v, (lx, ly, lz) = volume.voxel_m, volume.size_m
    middle = fit.placements[0].X_bin_item[:3, 3] if fit.placements else np.array([lx / 2, 0.0, lz / 2])
    axis = 2 if from_above else 0
    index = int(np.clip(middle[axis] / v, 0, volume.states.shape[axis] - 1))
    cut = volume.states[:, :, index] if from_above else volume.states[index].T
    width = volume.states.shape[1] * v / 2
    extent = (-_MM * width, _MM * width, 0.0, _MM * v * cut.shape[0])
    axes.imshow(cut, origin="lower", extent=extent, cmap=_STATES, vmin=0, vmax=2, interpolation="nearest")
    up = 0 if from_above else 2
    for place, colour in reversed(_shown(fit)):
        p, s = place.X_bin_item[:3, 3], place.size_m
        best, cut_through = place is fit.placements[0], 2.0 * abs(p[axis] - middle[axis]) < s[axis]
        axes.add_patch(
            Rectangle(
                (_MM * (p[1] - s[1] / 2), _MM * (p[up] - s[up] / 2)), _MM * s[1], _MM * s[up], edgecolor=colour, lw=1.8,
                facecolor=colour if best else "none", alpha=0.75 if best else 1.0, ls="-" if cut_through else ":",
            )
        )  # fmt: skip
    height = lx if from_above else lz
    axes.add_patch(Rectangle((-_MM * ly / 2, 0.0), _MM * ly, _MM * height, fill=False, edgecolor=_INK, lw=1.8))
    axes.set_xlim(_MM * ly / 2 + 8, -_MM * ly / 2 - 8)
    axes.set_ylim(-8, _MM * height + 8)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("y [mm]", fontsize=8)
    axes.set_ylabel(("x [mm], into the bin" if from_above else "z [mm]"), fontsize=8)
    where = f"{'z' if from_above else 'x'} = {_MM * middle[axis]:.0f} mm, from {'above' if from_above else 'the front'}"
    axes.set_title(f"cut at {where}", color=_INK, fontsize=10)
