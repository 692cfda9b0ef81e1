"""The stow tool as MJCF: palm, two belt paddles, blade with a bending root, and the force/torque site."""

from xml.etree.ElementTree import Element

import numpy as np

from podhand.core.poses import inverse, pose
from podhand.core.tooling import StowTool
from podhand.sim.contact_groups import Part, contact
from podhand.sim.mjcf import add, add_body, add_box, add_capsule, add_inertial, box_inertia, numbers, quaternion

PADDLE_MASS_KG = 0.55
BLADE_MASS_KG = 0.17
CARRIAGE_MASS_KG = 0.05
BELT_THICKNESS_M = 0.004
NOSE_RADIUS_M = 0.004
"""Of the roller round which a belt turns at the mouth: an edge there would catch the end of what leaves."""

_BELT = {
    "friction": "1.0 0.01 0.001",
    "priority": "2",
    "solref": "0.008 1",
    # Rubber: hard from the first touch, a belt that runs at 0.4 m/s would strike with 100 N for a tick, because the
    # elliptic cone gives fast sliding a normal force of its own.
    "solimp": "0.1 0.99 0.0003",
    "rgba": "0.10 0.10 0.11 1",
    # All zero at compile time would switch the feature off for good; see geom/surfacevel.
    "surfacevel": "1e-9 0 0 0 0 0",
}
_BLADE = {"friction": "0.25 0.005 0.0001", "priority": "1", "rgba": "0.86 0.87 0.90 1"}


def add_tool(flange: Element, tool: StowTool, bending_n_m_rad: float) -> None:
    """Hang the tool on the flange; its masses add up to the tool's mass and centre of mass, blade retracted."""
    # The drives know the weight of the tool that they carry, as real ones do: at rest every axis stands where it was
    # told to. The sensor still feels the weight.
    body = add_body(flange, "tool", tool.X_flange_tool, gravcomp="1")
    X_tool_flange = inverse(tool.X_flange_tool)
    add(
        body,
        "site",
        name="ft",
        size="0.01",
        pos=numbers(X_tool_flange[:3, 3]),
        quat=numbers(quaternion(X_tool_flange[:3, :3])),
    )
    add(body, "site", name="mouth", size="0.003", pos="0 0 0")
    _add_palm(body, tool)
    for name, side in (("left", 1.0), ("right", -1.0)):
        paddle = _add_paddle(body, tool, name, side)
        if side < 0:
            _add_blade(paddle, tool, bending_n_m_rad)


def _add_palm(body: Element, tool: StowTool) -> None:
    blade_mass_kg = BLADE_MASS_KG + CARRIAGE_MASS_KG
    mass_kg = tool.mass_kg - 2 * PADDLE_MASS_KG - blade_mass_kg
    if mass_kg <= 0.2:
        raise ValueError(
            f"mass_kg of the stow tool must exceed {2 * PADDLE_MASS_KG + blade_mass_kg + 0.2:.2f} kg, the weight of "
            f"its paddles and blade (got {tool.mass_kg})"
        )
    length_m = blade_length_m(tool)
    moment_x = tool.mass_kg * tool.com_tool_x_m
    moment_x -= 2 * PADDLE_MASS_KG * (-tool.paddle_length_m / 2)
    moment_x -= BLADE_MASS_KG * (tool.blade_rest_m - length_m / 2) + CARRIAGE_MASS_KG * (tool.blade_rest_m - length_m)
    mean_opening_m = (tool.min_opening_m + tool.max_opening_m) / 2
    com = (moment_x / mass_kg, -blade_mass_kg * tool.blade_offset_m(mean_opening_m) / mass_kg, 0.0)
    size = (tool.palm_length_m, 2 * tool.palm_half_width_m, 2 * tool.palm_half_height_m)
    middle = (-tool.paddle_length_m - tool.palm_length_m / 2, 0, 0)
    add_inertial(body, mass_kg, com, box_inertia(mass_kg, size))
    add_box(body, "palm", size, middle, rgba="0.22 0.24 0.28 1", **contact(Part.TOOL))
    gap_m = tool.flange_offset_m - tool.paddle_length_m - tool.palm_length_m
    if gap_m > 0:
        add(
            body,
            "geom",
            name="ft_sensor",
            type="cylinder",
            size=numbers((0.045, gap_m / 2)),
            pos=numbers((-tool.flange_offset_m + gap_m / 2, 0, 0)),
            zaxis="1 0 0",
            rgba="0.15 0.15 0.17 1",
            **contact(Part.TOOL),
        )


def _add_paddle(body: Element, tool: StowTool, name: str, side: float) -> Element:
    paddle = add_body(body, f"paddle_{name}", pose(), gravcomp="1")
    length, height = tool.paddle_length_m, 2 * tool.paddle_half_height_m
    shell_m = tool.paddle_thickness_m - BELT_THICKNESS_M
    middle = (-length / 2, side * tool.paddle_thickness_m / 2, 0)
    inertia = box_inertia(PADDLE_MASS_KG, (length, tool.paddle_thickness_m, height))
    add_inertial(paddle, PADDLE_MASS_KG, middle, inertia)
    add(
        paddle,
        "joint",
        name=f"paddle_{name}",
        type="slide",
        axis=numbers((0, side, 0)),
        range=numbers((tool.min_opening_m / 2 - 0.004, tool.max_opening_m / 2 + 0.002)),
        damping="20",
    )
    belt = _BELT | contact(Part.TOOL, condim=4)
    run_m = length - NOSE_RADIUS_M
    behind_m = -NOSE_RADIUS_M - run_m / 2
    add_box(
        paddle, f"belt_{name}", (run_m, BELT_THICKNESS_M, height), (behind_m, side * BELT_THICKNESS_M / 2, 0), **belt
    )
    nose_x_m, nose_y_m, nose_z_m = -NOSE_RADIUS_M, side * NOSE_RADIUS_M, height / 2 - NOSE_RADIUS_M
    add_capsule(
        paddle,
        f"nose_{name}",
        (nose_x_m, nose_y_m, nose_z_m),
        (nose_x_m, nose_y_m, -nose_z_m),
        NOSE_RADIUS_M,
        **belt,
    )
    add_box(
        paddle,
        f"shell_{name}",
        (run_m, shell_m, height),
        (behind_m, side * (BELT_THICKNESS_M + shell_m / 2), 0),
        rgba="0.30 0.33 0.38 1",
        friction="0.3",
        **contact(Part.TOOL),
    )
    return paddle


def blade_length_m(tool: StowTool) -> float:
    """Return the blade's length: fully out, its root stands at the mouth."""
    return tool.blade_rest_m + tool.blade_stroke_m


def _add_blade(paddle: Element, tool: StowTool, bending_n_m_rad: float) -> None:
    length, height = blade_length_m(tool), 2 * tool.blade_half_height_m
    y = -(tool.paddle_thickness_m + tool.blade_gap_m + tool.blade_thickness_m / 2)
    carriage = add_body(paddle, "blade_carriage", pose(None, (tool.blade_rest_m - length, y, 0)), gravcomp="1")
    add_inertial(carriage, CARRIAGE_MASS_KG, (0, 0, 0), box_inertia(CARRIAGE_MASS_KG, (0.03, 0.01, height)))
    add(
        carriage,
        "joint",
        name="blade",
        type="slide",
        axis="1 0 0",
        range=numbers((0, tool.blade_stroke_m)),
        damping="5",
    )
    blade = add_body(carriage, "blade", pose(), gravcomp="1")
    size = (length, tool.blade_thickness_m, height)
    add_inertial(blade, BLADE_MASS_KG, (length / 2, 0, 0), box_inertia(BLADE_MASS_KG, size))
    # About 0.3 of critical damping with the blade's own inertia about its root.
    damping = 0.6 * np.sqrt(bending_n_m_rad * BLADE_MASS_KG * length**2 / 3)
    add(
        blade,
        "joint",
        name="blade_bend",
        type="hinge",
        axis="0 0 1",
        stiffness=repr(bending_n_m_rad),
        damping=repr(float(damping)),
    )
    add_box(blade, "blade", size, (length / 2, 0, 0), **_BLADE, **contact(Part.TOOL))
    add(blade, "site", name="blade_tip", size="0.003", pos=numbers((length, 0, 0)))
