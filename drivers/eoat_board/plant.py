"""A suction cup with its ejector, a leak, an item and limit switches, for the emulator.

Isothermal air of volume V: ``V / p_atm · d|p|/dt = q · (1 − |p| / p_ult) − (leak + vent) · |p|``, linear, so every step
is exact. Numbers are our design assumptions for a 40 mm bellows cup on a small ejector.
"""

from dataclasses import dataclass
from math import exp

from podhand.firmware_iface.eoat_board_messages import Switches

_ATMOSPHERE_PA = 101325.0
_OPEN_LEAK_M3_S_PA = 1.54e-7
"""An open cup draws -6 kPa."""
_VENT_M3_S_PA = 5e-8
"""Valve off: gone within 20 ms."""
_END_M = 0.001
"""This near to an end of the plunger's stroke its limit switch trips."""


@dataclass(kw_only=True)
class SuctionPlant:
    """What is at the end of the arm. Time passes in ``step`` only."""

    volume_m3: float = 5e-5
    ejector_flow_m3_s: float = 1e-3
    ultimate_vacuum_pa: float = 80e3
    plunger_stroke_m: float = 0.015
    vacuum_pa: float = 0.0
    """Suction in the cup, |gauge pressure| [Pa]."""
    plunger_m: float = 0.0
    """How far the cup is pressed in [m]."""
    seated: bool = True
    leak_m3_s_pa: float | None = None
    """Of the item at the cup; ``None``: no item."""

    def touch(self, *, leak_m3_s_pa: float = 1e-9, press_m: float = 0.005) -> None:
        """Press the cup onto an item. A bag leaks 1e-8 m³/(s Pa), a box a tenth of it."""
        self.leak_m3_s_pa = leak_m3_s_pa
        self.plunger_m = min(max(press_m, 0.0), self.plunger_stroke_m)

    def part(self) -> None:
        """Take the item off the cup."""
        self.leak_m3_s_pa = None
        self.plunger_m = 0.0

    def step(self, dt_s: float, *, suction: bool) -> None:
        """Let time pass with the valve on or off."""
        leak = _OPEN_LEAK_M3_S_PA if self.leak_m3_s_pa is None else self.leak_m3_s_pa
        flow = self.ejector_flow_m3_s if suction else 0.0
        conductance = leak + (flow / self.ultimate_vacuum_pa if suction else _VENT_M3_S_PA)
        target_pa = flow / conductance
        time_constant_s = self.volume_m3 / _ATMOSPHERE_PA / conductance
        self.vacuum_pa = target_pa + (self.vacuum_pa - target_pa) * exp(-dt_s / time_constant_s)

    @property
    def switches(self) -> Switches:
        """Tripped limit switches."""
        tripped = Switches(0)
        if self.plunger_m < _END_M:
            tripped |= Switches.CUP_EXTENDED
        if self.plunger_m > self.plunger_stroke_m - _END_M:
            tripped |= Switches.CUP_COMPRESSED
        if not self.seated:
            tripped |= Switches.TOOL_UNSEATED
        return tripped
