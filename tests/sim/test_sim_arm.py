from xml.etree.ElementTree import Element, SubElement, tostring

import mujoco
import numpy as np
import pinocchio as pin
import pytest

from podhand.core.arm_model import UR10E
from podhand.core.poses import pose
from podhand.core.tooling import StowTool
from podhand.sim.scene_arm import add_arm
from podhand.sim.scene_tool import add_tool
from podhand.sim.settings import DriveSettings, SimSettings

STATES = 1000


def arm_alone() -> mujoco.MjModel:
    root = Element("mujoco")
    SubElement(root, "compiler", angle="radian", autolimits="true")
    add_arm(SubElement(root, "worldbody"), UR10E, pose(), DriveSettings())
    return mujoco.MjModel.from_xml_string(tostring(root, encoding="unicode"))


def pinocchio_arm() -> pin.Model:
    model, joint = pin.Model(), 0
    for link in UR10E.links:
        X = link.X_parent_joint
        joint = model.addJoint(joint, pin.JointModelRZ(), pin.SE3(X[:3, :3], X[:3, 3]), link.name)
        inertia = pin.Inertia(link.mass_kg, link.com_m, link.inertia_kg_m2)
        model.appendBodyToJoint(joint, inertia, pin.SE3.Identity())
    return model


def test_arm_agrees_with_pinocchio_over_random_states() -> None:
    ours, oracle = arm_alone(), pinocchio_arm()
    data, oracle_data = mujoco.MjData(ours), oracle.createData()
    rng = np.random.default_rng(1)
    low = [link.min_position_rad for link in UR10E.links]
    high = [link.max_position_rad for link in UR10E.links]
    M = np.zeros((6, 6))
    armature = np.diag(DriveSettings().joint_armature_kg_m2)
    worst = np.zeros(3)
    for _ in range(STATES):
        q = rng.uniform(low, high)
        data.qpos[:] = q
        mujoco.mj_forward(ours, data)
        mujoco.mj_fullM(ours, data, M)
        pin.forwardKinematics(oracle, oracle_data, q)
        gravity = pin.computeGeneralizedGravity(oracle, oracle_data, q)
        mass = pin.crba(oracle, oracle_data, q)
        mass = np.triu(mass) + np.triu(mass, 1).T
        flange = data.body("wrist_3")
        at = oracle_data.oMi[6]
        position = np.abs(flange.xpos - at.translation).max()
        turn = np.abs(flange.xmat.reshape(3, 3) - at.rotation).max()
        worst = np.maximum(
            worst, [max(position, turn), np.abs(M - armature - mass).max(), np.abs(data.qfrc_bias - gravity).max()]
        )
    assert worst[0] < 1e-6, "forward kinematics"
    assert worst[1] < 1e-6, "mass matrix"
    assert worst[2] < 1e-6, "gravity, of up to 200 N m"


def test_flange_agrees_with_the_arm_model() -> None:
    model = arm_alone()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(2)
    for _ in range(20):
        q = rng.uniform(-np.pi, np.pi, 6)
        data.qpos[:] = q
        mujoco.mj_kinematics(model, data)
        assert data.body("wrist_3").xpos == pytest.approx(UR10E.flange(q)[:3, 3], abs=1e-9)


def test_tool_weighs_what_its_data_say() -> None:
    tool = StowTool()
    root = Element("mujoco")
    SubElement(root, "compiler", angle="radian", autolimits="true")
    flange = SubElement(SubElement(root, "worldbody"), "body", name="flange")
    add_tool(flange, tool, SimSettings().blade_bending_n_m_rad)
    model = mujoco.MjModel.from_xml_string(tostring(root, encoding="unicode"))
    data = mujoco.MjData(model)
    data.qpos[:2] = (tool.min_opening_m + tool.max_opening_m) / 4
    mujoco.mj_forward(model, data)
    body = model.body("tool").id
    assert model.body_subtreemass[body] == pytest.approx(tool.mass_kg)
    com = data.xmat[body].reshape(3, 3).T @ (data.subtree_com[body] - data.xpos[body])
    assert com == pytest.approx([tool.com_tool_x_m, 0, 0], abs=1e-6)
