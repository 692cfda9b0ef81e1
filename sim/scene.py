"""The whole scene as one MuJoCo model, made from a world, an arm, a tool and a pod."""

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, tostring

import mujoco
import numpy as np

from podhand.core.arm_model import ArmModel
from podhand.core.poses import FloatArray, Pose, pose
from podhand.core.tooling import Pod, StowTool
from podhand.sim.contact_groups import Part, contact
from podhand.sim.mjcf import add, numbers
from podhand.sim.scene_arm import add_arm
from podhand.sim.scene_band_arm import add_band_arm
from podhand.sim.scene_bands import add_bands
from podhand.sim.scene_items import X_world_presented, add_contents, add_presented_item, add_rails
from podhand.sim.scene_pod import add_pod
from podhand.sim.scene_tool import add_tool
from podhand.sim.settings import SimSettings
from podhand.sim.world import World


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A compiled model and the frames it was built with."""

    model: Any
    """``mujoco.MjModel``."""
    xml: str
    X_world_base: Pose
    X_world_bin: Pose
    """The active bin's true pose."""
    X_world_bin_nominal: Pose
    X_world_item_believed: Pose


def base_pose(settings: SimSettings, pod: Pod, world: World) -> Pose:
    """Return where the lift holds the arm's base for the active row."""
    height_m = float(pod.X_world_bin(world.row, world.column)[2, 3]) - settings.base_below_bin_floor_m
    return pose(None, (settings.base_x_m, 0.0, height_m))


def build_scene(world: World, settings: SimSettings, arm: ArmModel, tool: StowTool, pod: Pod) -> Scene:
    """Compile the scene of a world."""
    X_world_base = base_pose(settings, pod, world)
    believed, true = X_world_presented(world, settings, X_world_base)
    root = _frame(settings)
    worldbody = add(root, "worldbody")
    add(worldbody, "geom", name="ground", type="plane", size="4 4 0.1", rgba="0.62 0.63 0.65 1", **contact(Part.GROUND))
    # The order of these calls is the order of the joints, which the plant relies on.
    flange = add_arm(worldbody, arm, X_world_base, settings.drives)
    add_tool(flange, tool, settings.blade_bending_n_m_rad)
    add_band_arm(worldbody, X_world_base, settings.bands)
    add_presented_item(root, true, world)
    add_contents(root, pod, world)
    pod_body = add_pod(worldbody, pod, world, settings.bands)
    add_bands(root, pod_body, pod, settings.bands, world.band_tension_scale)
    add_rails(worldbody, settings, X_world_base, world)
    _add_coupling(root)
    _add_actuators(root, arm, settings)
    _add_sensors(root)
    xml = tostring(root, encoding="unicode")
    model = mujoco.MjModel.from_xml_string(xml)
    _tune_drives(model, arm, settings)
    return Scene(
        model=model,
        xml=xml,
        X_world_base=X_world_base,
        X_world_bin=pod.X_world_bin(world.row, world.column) @ world.X_nominal_bin,
        X_world_bin_nominal=pod.X_world_bin(world.row, world.column),
        X_world_item_believed=believed,
    )


def _frame(settings: SimSettings) -> Element:
    root = Element("mujoco", model="podhand")
    add(root, "compiler", angle="radian", autolimits="true")
    option = add(
        root,
        "option",
        timestep=repr(settings.tick_s),
        integrator="implicitfast",
        cone="elliptic",
        impratio="10",
        solver="Newton",
        # Sparse Newton steps of mujoco 4.0.0 end far from the solution where jointed items touch belts: forces of
        # hundreds of newtons out of nothing. Dense ones and conjugate gradients agree.
        jacobian="dense",
        iterations="50",
        tolerance="1e-8",
    )
    # Contents that lie still sleep until something touches them: a tick costs half as much.
    add(option, "flag", multiccd="enable", sleep="enable")
    add(root, "size", memory="64M")
    default = add(root, "default")
    add(default, "geom", solref="0.006 1", solimp="0.95 0.99 0.001")
    return root


def _add_coupling(root: Element) -> None:
    tendon = root.find("tendon")
    assert tendon is not None
    opening = add(tendon, "fixed", name="opening")
    add(opening, "joint", joint="paddle_left", coef="1")
    add(opening, "joint", joint="paddle_right", coef="1")
    equality = add(root, "equality")
    add(equality, "joint", joint1="paddle_left", joint2="paddle_right", polycoef="0 1 0 0 0", solref="0.004 1")


def _add_actuators(root: Element, arm: ArmModel, settings: SimSettings) -> None:
    """Add one drive per axis, in the order of the axes; the damping is set after compilation."""
    drives = settings.drives
    actuator = add(root, "actuator")

    def drive(name: str, kp: float, force: float, **target: str) -> None:
        add(actuator, "position", name=name, kp=repr(kp), kv="1", forcerange=numbers((-force, force)), **target)

    for i, link in enumerate(arm.links):
        drive(f"arm_{i}", drives.joint_stiffness_n_m_rad[i], link.max_torque_n_m, joint=f"arm_{i}")
    drive("squeeze", drives.squeeze_stiffness_n_m, drives.squeeze_max_force_n, tendon="opening")
    drive("blade", drives.blade_stiffness_n_m, drives.blade_max_force_n, joint="blade")
    for axis in "xyz":
        name = f"band_{axis}"
        drive(name, drives.band_arm_stiffness_n_m, drives.band_arm_max_force_n, joint=name)


def _add_sensors(root: Element) -> None:
    sensor = add(root, "sensor")
    add(sensor, "force", name="ft_force", site="ft")
    add(sensor, "torque", name="ft_torque", site="ft")
    for name in ("blade", "belt_left", "belt_right"):
        add(sensor, "contact", name=f"touch_{name}", geom1=name, data="force", reduce="netforce")
    add(sensor, "contact", name="touch_tool", subtree1="tool", data="force", reduce="netforce")


def _tune_drives(model: Any, arm: ArmModel, settings: SimSettings) -> None:
    """Give every drive the same damping ratio against the inertia that it carries at home."""
    data = mujoco.MjData(model)
    data.qpos[: arm.joints] = settings.home_q_rad
    mujoco.mj_forward(model, data)
    M = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, M)
    inertia = _carried_inertia(M, arm.joints)
    kp = model.actuator_gainprm[:, 0]
    model.actuator_biasprm[:, 2] = -2 * settings.drives.damping_ratio * np.sqrt(kp * inertia)


def _carried_inertia(M: FloatArray, joints: int) -> FloatArray:
    """Return the inertia that each drive carries, (joints + 5,): arm, opening, blade, band arm."""
    arm = np.diag(M)[:joints]
    left, right, blade = joints, joints + 1, joints + 2
    # Both paddles move half the opening each.
    opening = (M[left, left] + M[right, right]) / 4
    band = np.diag(M)[joints + 4 : joints + 7]
    return np.concatenate([arm, [opening, M[blade, blade]], band])
