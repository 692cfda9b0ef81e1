"""The pod as MJCF: one rigid body of plates whose frame is the active bin's true frame, and still neighbours."""

from xml.etree.ElementTree import Element

import numpy as np

from podhand.core.poses import Pose
from podhand.core.tooling import Pod
from podhand.sim.contact_groups import ABOVE_GROUP, SCENERY, Part, contact
from podhand.sim.mjcf import add, add_body, add_box, numbers, quaternion
from podhand.sim.scene_bands import add_still_bands
from podhand.sim.settings import BandSettings
from podhand.sim.world import World

# The lowest friction of any item: MuJoCo takes the larger of two, so an item's own friction counts on the fabric.
_FABRIC = {"friction": "0.25 0.005 0.0001", "rgba": "0.88 0.74 0.18 1"}
_GOODS = ("0.55 0.42 0.30 1", "0.40 0.48 0.42 1", "0.50 0.40 0.45 1", "0.36 0.42 0.52 1")


def add_pod(worldbody: Element, pod: Pod, world: World, settings: BandSettings) -> Element:
    """Add shelves, walls and back of the whole pod, and what stands in the neighbouring bins."""
    X_world_bin = pod.X_world_bin(world.row, world.column) @ world.X_nominal_bin
    body = add_body(worldbody, "pod", X_world_bin)
    origin = pod.X_world_bin(world.row, world.column)[:3, 3]
    _add_plates(body, pod, origin)
    for k, box in enumerate(world.scenery):
        add_still_box(body, f"scenery_{k}", box.X_bin_box, box.size_m, _GOODS[k % len(_GOODS)])
    for row in range(max(world.row - 1, 0), min(world.row + 2, pod.rows)):
        for column in range(max(world.column - 1, 0), min(world.column + 2, pod.columns)):
            if (row, column) != (world.row, world.column):
                offset = pod.X_world_bin(row, column)[:3, 3] - origin
                name = f"bin_{pod.bin_name(row, column)}"
                add_still_bands(body, pod, settings, float(offset[1]), float(offset[2]), name)
    return body


def _add_plates(body: Element, pod: Pod, origin_m: Pose) -> None:
    """Each bin has its own walls; two of them make one plate between neighbours."""
    pitch_y, pitch_z = pod.bin_width_m + 2 * pod.wall_m, pod.bin_height_m + 2 * pod.wall_m
    left_y = float(pod.X_world_bin(0, 0)[1, 3] - origin_m[1]) + pitch_y / 2
    floor_z = float(pod.lowest_floor_m - origin_m[2]) - pod.wall_m
    width, height = pod.columns * pitch_y, pod.rows * pitch_z
    plate = {**_FABRIC, **contact(Part.POD)}
    depth = pod.bin_depth_m
    for k in range(pod.rows + 1):
        middle = (depth / 2, left_y - width / 2, floor_z + k * pitch_z)
        group = _group(middle[2])
        add_box(body, f"shelf_{k}", (depth, width, 2 * pod.wall_m), middle, group=group, **plate)
    for k in range(pod.columns + 1):
        middle = (depth / 2, left_y - k * pitch_y, floor_z + height / 2)
        add_box(body, f"wall_{k}", (depth, 2 * pod.wall_m, height), middle, **plate)
    middle = (depth + pod.wall_m, left_y - width / 2, floor_z + height / 2)
    add_box(body, "back", (2 * pod.wall_m, width, height), middle, **plate)


def _group(z_m: float) -> str:
    return ABOVE_GROUP if z_m > 0.2 else "0"


def add_still_box(body: Element, name: str, X_body_box: Pose, size_m: tuple[float, float, float], rgba: str) -> None:
    """Add a box that is seen but never touched."""
    add(
        body,
        "geom",
        name=name,
        type="box",
        size=numbers(s / 2 for s in size_m),
        pos=numbers(X_body_box[:3, 3]),
        quat=numbers(quaternion(np.asarray(X_body_box[:3, :3]))),
        rgba=rgba,
        group=_group(float(X_body_box[2, 3])),
        **SCENERY,
    )
