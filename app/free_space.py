"""``podhand free-space``: does this item fit into this bin, and where."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podhand.app.scene_file import load_scene
from podhand.app.shell import check_json_target, console, write_json
from podhand.core.errors import ConfigError
from podhand.perception.bin_model import FreeBox
from podhand.perception.fitting import Fit, fit_item, millimetres
from podhand.perception.free_boxes import free_boxes, volume_m3
from podhand.perception.fusion import Volume, fuse
from podhand.perception.occupancy import FREE, OCCUPIED, UNKNOWN

_ITEM = re.compile(r"\s*([^x×]+)[x×]([^x×]+)[x×]([^x×]+)\s*", re.IGNORECASE)
_MAX_ITEM_M = 2.0


@dataclass(frozen=True, kw_only=True)
class FreeSpaceJob:
    """What the command was asked for."""

    scene: Path
    item: str
    json_target: str | None = None
    png: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FreeSpaceAnswer:
    """What the command found."""

    volume: Volume
    boxes: tuple[FreeBox, ...]
    fit: Fit
    think_s: float
    """Wall time from frames to answer, reading and drawing left out."""


def run_free_space_job(job: FreeSpaceJob) -> FreeSpaceAnswer:
    """Read the scene, find the item's places, tell, and write JSON and picture.

    Raises:
        ConfigError: the file, the item's size, or a target cannot be used.
        PerceptionError: the scene cannot be used, or the item is larger than the bin.
    """
    check_json_target(job.json_target)
    _check_png_target(job.png)
    item_m = parse_item(job.item)
    scene = load_scene(job.scene)
    begin = time.perf_counter()
    volume = fuse(scene.frames, scene.X_world_bin, scene.size_m)
    fit = fit_item(volume, item_m)
    boxes = free_boxes(volume)
    answer = FreeSpaceAnswer(volume=volume, boxes=boxes, fit=fit, think_s=time.perf_counter() - begin)
    _tell(answer, item_m)
    if job.png is not None:
        from podhand.perception.scene_pictures import draw_free_space

        draw_free_space(volume, boxes, fit, item_m, job.png, scene.colour)
        console.print(f"Picture: {job.png}", soft_wrap=True)
    write_json(document(answer, item_m), job.json_target)
    return answer


def parse_item(text: str) -> tuple[float, float, float]:
    """Read ``LxWxH`` in metres. Raises ConfigError."""
    match = _ITEM.fullmatch(text)
    try:
        sides = tuple(float(side) for side in match.groups()) if match else ()
    except ValueError:
        sides = ()
    if len(sides) != 3:
        raise ConfigError(f"--item {text}: must be three sides in m with x between them; for instance 0.12x0.04x0.035")
    if not all(0.0 < side <= _MAX_ITEM_M for side in sides):
        raise ConfigError(
            f"--item {text}: each side must be above 0 and at most {_MAX_ITEM_M:g} m; sides are in m, not in mm"
        )
    return sides[0], sides[1], sides[2]


def document(answer: FreeSpaceAnswer, item_m: tuple[float, float, float]) -> dict[str, Any]:
    """Return the answer as JSON has it; everything in the bin frame."""
    volume, boxes = answer.volume, answer.boxes
    return {
        "schema": "podhand-free-space-1",
        "item_m": list(item_m),
        "fits": answer.fit.fits,
        "reason": answer.fit.reason,
        "free_boxes": [{"min_m": list(box.min_m), "max_m": list(box.max_m)} for box in boxes],
        "placements": [
            {"X_bin_item": place.X_bin_item.tolist(), "size_m": list(place.size_m),
             "clearance_m": place.clearance_m, "score": place.score}
            for place in answer.fit.placements
        ],
        "free_boxes_sum_m3": sum(volume_m3(box) for box in boxes),
        "free_boxes_largest_m3": volume_m3(boxes[0]) if boxes else 0.0,
        "shares": {name: volume.share(state) for name, state in _STATES.items()},
        "voxel_m": volume.voxel_m,
        "think_s": answer.think_s,
    }  # fmt: skip


_STATES = {"free": FREE, "occupied": OCCUPIED, "unknown": UNKNOWN}


def _tell(answer: FreeSpaceAnswer, item_m: tuple[float, float, float]) -> None:
    fit, volume = answer.fit, answer.volume
    head = "[bold green]Fits.[/]" if fit.fits else "[bold yellow]Does not fit.[/]"
    console.print(f"{head} {millimetres(item_m)} mm: {fit.reason}.", soft_wrap=True)
    total = 1e3 * sum(volume_m3(box) for box in answer.boxes)
    largest = f", the largest of {1e3 * volume_m3(answer.boxes[0]):.1f} l" if answer.boxes else ""
    console.print(
        f"{len(fit.placements)} places told. {len(answer.boxes)} free boxes of {total:.1f} l together{largest}. "
        f"{100 * volume.share(FREE):.0f} % of the bin is free, {100 * volume.share(UNKNOWN):.0f} % was not seen; "
        f"{len(volume.frames)} views, {1e3 * answer.think_s:.0f} ms.",
        soft_wrap=True,
    )


def _check_png_target(path: Path | None) -> None:
    """Find out before the work that the picture cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"--png {path}: is a folder; give a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--png {path}: cannot be written ({error.strerror}); give another file") from error
