"""The simulated workcell: plant, infeed, lift and cameras of one world, behind the ports of ``core``."""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from podhand.core.arm_model import UR10E, ArmModel
from podhand.core.errors import DeviceError
from podhand.core.items import Shape
from podhand.core.ports import PresentedItem
from podhand.core.poses import FloatArray, Pose, inverse, pose
from podhand.core.tooling import Pod, StowTool
from podhand.sim.camera import SimDepthCamera
from podhand.sim.extents import item_geoms, reach
from podhand.sim.faults import Faults
from podhand.sim.item_bodies import spine_joints
from podhand.sim.plant import SimPlant
from podhand.sim.rendering import View, render, view_pose
from podhand.sim.scene import Scene, build_scene
from podhand.sim.scene_items import true_item_size_m
from podhand.sim.settings import SimSettings
from podhand.sim.world import World


@dataclass(frozen=True, kw_only=True)
class Body:
    """Where an item truly is."""

    name: str
    shape: Shape
    size_m: tuple[float, float, float]
    X_bin_item: Pose
    X_bin_start: Pose
    """Where it was after settling, before the first tick."""
    low_bin_m: FloatArray
    """Lowest corner (3,) of the box around all its parts, bin frame."""
    high_bin_m: FloatArray
    opened_rad: float = 0.0
    """How far a book's covers stand apart."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the simulator knows and the station must not: for scoring and reports only."""

    time_s: float
    X_world_bin: Pose
    item: Body
    contents: tuple[Body, ...]
    band_nodes_m: tuple[FloatArray, ...]
    """Per band (n, 3) in the true bin frame, from +y to -y."""
    peak_squeeze_n: float
    peak_touch_n: dict[str, float]
    """Largest contact force on blade, left belt, right belt and whole tool so far."""
    contact_now_n: FloatArray
    """Force (3,) that the scene exerts on the tool by contact now, world axes."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """One shape for a viewer. ``size_m``: half sides, (radius, half length), (radius,)."""

    name: str
    kind: str
    size_m: tuple[float, ...]
    X_world_geom: Pose
    rgba: tuple[float, float, float, float]


class SimLift:
    """The lift, already at the active row."""

    def __init__(self, height_m: float) -> None:
        self.height_m = height_m


class SimInfeed:
    """Presents copies of the world's one item."""

    def __init__(self, presented: PresentedItem, plant: SimPlant) -> None:
        self._presented, self._plant = presented, plant

    def present(self) -> PresentedItem:
        """Bring the item to the hand-over place; it is known with the scanner's error."""
        return self._presented

    def present_next(self) -> PresentedItem:
        """Bring the next item, a copy of the first; wherever that one is, it is taken away.

        Raises:
            DeviceError: the paddles hold an item: hand that one back first.
        """
        if self._plant.holds_item():
            raise DeviceError("infeed: the paddles hold an item, no other is presented; return that one first")
        self._plant.present_item()
        return self._presented


class SimWorkcell:
    """One world as a workcell.

    Args:
        world: what is true.
        settings: drives, sensors, places.
        tool: the stow tool.
        pod: the pod.
        arm: the arm.
    """

    def __init__(
        self,
        world: World,
        *,
        settings: SimSettings | None = None,
        tool: StowTool | None = None,
        pod: Pod | None = None,
        arm: ArmModel = UR10E,
    ) -> None:
        self.world = world
        self.settings = settings or SimSettings()
        self.tool, self.pod = tool or StowTool(), pod or Pod()
        self.faults = Faults()
        self.scene: Scene = build_scene(world, self.settings, arm, self.tool, self.pod)
        self.plant = SimPlant(self.scene, world, self.settings, self.tool, self.faults)
        X_base_world = inverse(self.scene.X_world_base)
        self.infeed = SimInfeed(
            PresentedItem(item=world.item, X_base_item=X_base_world @ self.scene.X_world_item_believed), self.plant
        )
        self.lift = SimLift(float(self.scene.X_world_base[2, 3]))
        self.cameras = [self._camera(k) for k in range(len(self.settings.cameras))]
        names = ["item", *(c.name for c in world.contents)]
        self._start = {name: self._pose_in_bin(name) for name in names}
        self._geoms = {name: item_geoms(self.plant.model, name) for name in names}
        self.band_start_m = self.truth().band_nodes_m
        """Bands at rest: per band (n, 3) in the true bin frame."""

    @property
    def X_world_base(self) -> Pose:
        """The arm's base in the world."""
        return self.scene.X_world_base

    @property
    def X_world_bin_nominal(self) -> Pose:
        """Where the active bin should be: what the station knows before it looks."""
        return self.scene.X_world_bin_nominal

    def _camera(self, k: int) -> SimDepthCamera:
        errors = self.world.X_mount_camera
        return SimDepthCamera(
            self.settings.cameras[k],
            plant=self.plant,
            settings=self.settings,
            X_world_bin_nominal=self.scene.X_world_bin_nominal,
            X_mount_camera=errors[k % len(errors)],
            seed=1000 * self.world.seed + k,
            faults=self.faults,
        )

    def _pose_in_bin(self, name: str) -> Pose:
        body = self.plant.data.body(name)
        return inverse(self.scene.X_world_bin) @ pose(np.array(body.xmat).reshape(3, 3), np.array(body.xpos))

    def truth(self) -> Truth:
        """Return what is true now; positions are those at the beginning of the last step."""
        world = self.world
        X_bin_world = inverse(self.scene.X_world_bin)
        item = self._body("item", world.item.shape, true_item_size_m(world), X_bin_world)
        contents = tuple(self._body(c.name, c.shape, c.size_m, X_bin_world) for c in world.contents)
        bands = tuple(n @ X_bin_world[:3, :3].T + X_bin_world[:3, 3] for n in self.plant.band_nodes_m())
        names = ("blade", "belt_left", "belt_right", "tool")
        return Truth(
            time_s=self.plant.time_s,
            X_world_bin=self.scene.X_world_bin.copy(),
            item=item,
            contents=contents,
            band_nodes_m=bands,
            peak_squeeze_n=self.plant.peak_squeeze_n,
            peak_touch_n={n: float(v) for n, v in zip(names, self.plant.peak_touch_n, strict=True)},
            contact_now_n=-np.array(self.plant.data.sensordata[15:18]),
        )

    def _body(self, name: str, shape: Shape, size_m: tuple[float, float, float], X_bin_world: Pose) -> Body:
        model, data = self.plant.model, self.plant.data
        low, high = reach(model, data, self._geoms[name], X_bin_world)
        opened = sum(float(data.joint(joint).qpos[0]) for joint in spine_joints(name)) if shape is Shape.BOOK else 0.0
        return Body(
            name=name,
            shape=shape,
            size_m=size_m,
            X_bin_item=self._pose_in_bin(name),
            X_bin_start=self._start[name],
            low_bin_m=low,
            high_bin_m=high,
            opened_rad=opened,
        )

    def render(self, view: View | str = View.FRONT, size_px: tuple[int, int] = (480, 360)) -> NDArray[np.uint8]:
        """Draw the workcell as it stands now, (h, w, 3) RGB; ``view``: front, side, above or cell."""
        X_world_camera, fov_y_rad = view_pose(view, self.scene.X_world_bin_nominal)
        return render(self.plant, X_world_camera, fov_y_rad, size_px, cutaway=view == View.ABOVE)

    def geometry(self) -> list[Geometry]:
        """Return all shapes as they stand now, bands as capsules; the ground plane is left out."""
        m, d = self.plant.model, self.plant.data
        shapes = [_geometry(m, d, g) for g in range(m.ngeom) if m.geom_type[g] != mujoco.mjtGeom.mjGEOM_PLANE]
        for k, (start, end, radius) in enumerate(self.plant.band_segments()):
            shapes.append(_capsule_between(f"band_piece_{k}", start, end, radius))
        return shapes


_KINDS = {
    int(mujoco.mjtGeom.mjGEOM_BOX): ("box", 3),
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): ("capsule", 2),
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): ("cylinder", 2),
    int(mujoco.mjtGeom.mjGEOM_SPHERE): ("sphere", 1),
}


def _geometry(model: Any, data: Any, geom: int) -> Geometry:
    kind, numbers = _KINDS[int(model.geom_type[geom])]
    red, green, blue, alpha = (float(c) for c in model.geom_rgba[geom])
    return Geometry(
        name=model.geom(geom).name,
        kind=kind,
        size_m=tuple(float(s) for s in model.geom_size[geom][:numbers]),
        X_world_geom=pose(np.array(data.geom_xmat[geom]).reshape(3, 3), np.array(data.geom_xpos[geom])),
        rgba=(red, green, blue, alpha),
    )


def _capsule_between(name: str, start: FloatArray, end: FloatArray, radius_m: float) -> Geometry:
    axis = end - start
    length = float(np.linalg.norm(axis))
    z = axis / length
    x = np.cross(np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.9 else np.array([0.0, 1.0, 0.0]), z)
    x = x / np.linalg.norm(x)
    return Geometry(
        name=name,
        kind="capsule",
        size_m=(radius_m, length / 2),
        X_world_geom=pose(np.column_stack([x, np.cross(z, x), z]), (start + end) / 2),
        rgba=(0.08, 0.08, 0.10, 1.0),
    )
