"""A sensor, its faulty line and the host's end on one virtual clock: the same handles for both sensors."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from podhand.core.clock import VirtualClock
from podhand.drivers.ft_sensor.emulated import EmulatedBota, EmulatedNetFt, SensorFaults, WrenchSource, wave
from podhand.drivers.ft_sensor.line import Line
from podhand.drivers.ft_sensor.links import BotaLink, RdtLink, RdtScaling
from podhand.drivers.ft_sensor.wrench import WrenchLimits, WrenchReading, WrenchTrack
from podhand.firmware_iface.ft_bota import BAUD
from podhand.firmware_iface.ft_rdt import NetFtModel

NET_FT_LIMITS = WrenchLimits(period_s=0.001, range_force_n=400.0, range_torque_n_m=15.0)
BOTA_LIMITS = WrenchLimits(period_s=0.00125, range_force_n=500.0, range_torque_n_m=15.0)
SCALING = RdtScaling(model=NetFtModel.NET_FT, counts_per_n=1_000_000.0, counts_per_n_m=999_999.0)
STEPS_PER_PERIOD = 4


class Rig(ABC):
    """Steps four times per period of the sensor."""

    track: WrenchTrack
    line: Line
    faults: SensorFaults
    saturated_status: int
    transit_s: float
    """How long a sample is on the line."""

    def __init__(self, limits: WrenchLimits) -> None:
        self.clock = VirtualClock(start_s=1000.0)
        self.limits = limits
        self.step_s = limits.period_s / STEPS_PER_PERIOD

    @abstractmethod
    def exchange(self) -> None:
        """Let both ends have their turn."""

    @property
    @abstractmethod
    def reading(self) -> WrenchReading: ...

    @abstractmethod
    def overload(self, source: WrenchSource) -> None: ...

    @abstractmethod
    def restart(self) -> None: ...

    @property
    def now_s(self) -> float:
        return self.clock.now_s()

    def step(self) -> None:
        self.clock.advance(self.step_s)
        self.exchange()

    def run(self, periods: float) -> None:
        for _ in range(round(periods * STEPS_PER_PERIOD)):
            self.step()

    def until(self, condition: Callable[[], bool], *, within_periods: float) -> float:
        """Run until the condition holds; return how long that took [s]."""
        start_s = self.now_s
        while not condition():
            assert self.now_s - start_s <= within_periods * self.limits.period_s, (self.reading, self.track.rejects)
            self.step()
        return self.now_s - start_s

    def valid(self) -> Self:
        self.until(lambda: self.reading.valid, within_periods=200)
        self.run(50)
        assert self.reading.valid
        return self

    def at_a_sample(self) -> None:
        """Go to the moment right after a sample was taken."""
        before = self.track.received
        self.until(lambda: self.track.received > before, within_periods=3)


class NetFtRig(Rig):
    transit_s = 0.0

    def __init__(
        self,
        *,
        seed: int = 1,
        scaling: RdtScaling = SCALING,
        source: WrenchSource = wave,
        rate_hz: float | None = None,
        records_per_datagram: int = 1,
    ) -> None:
        super().__init__(NET_FT_LIMITS)
        self.sensor = EmulatedNetFt(
            self.limits, scaling, now_s=self.now_s, source=source, seed=seed, rate_hz=rate_hz,
            records_per_datagram=records_per_datagram,
        )  # fmt: skip
        self.saturated_status = 0x80020000 if scaling.model is NetFtModel.NET_FT else 0xC0000000
        self.faults = self.sensor.faults
        self.line = Line(seed=seed)
        self.link = RdtLink(self.limits, scaling)
        self.track = self.link.track
        self.deaf = False
        """The sensor hears nothing of the host."""

    def exchange(self) -> None:
        now_s = self.now_s
        for datagram in self.sensor.poll(now_s):
            self.line.send(datagram, now_s)
        for datagram in self.line.receive(now_s):
            self.link.receive(datagram, now_s)
        for request in self.link.poll(now_s):
            if not self.deaf:
                self.sensor.receive(request, now_s)

    @property
    def reading(self) -> WrenchReading:
        return self.link.reading(self.now_s)

    def overload(self, source: WrenchSource) -> None:
        self.sensor.measured.source = source

    def restart(self) -> None:
        self.sensor.restart(self.now_s)


class BotaRig(Rig):
    saturated_status = 2
    transit_s = 37 * 10 / BAUD

    def __init__(self, *, seed: int = 1, source: WrenchSource = wave, rate_hz: float | None = None) -> None:
        super().__init__(BOTA_LIMITS)
        self.sensor = EmulatedBota(self.limits, now_s=self.now_s, source=source, seed=seed, rate_hz=rate_hz)
        self.faults = self.sensor.faults
        self.line = Line(seed=seed, baud=BAUD)
        self.link = BotaLink(self.limits)
        self.track = self.link.track

    def exchange(self) -> None:
        now_s = self.now_s
        for frame in self.sensor.poll(now_s):
            self.line.send(frame, now_s)
        self.link.receive(b"".join(self.line.receive(now_s)), now_s)
        self.link.poll(now_s)

    @property
    def reading(self) -> WrenchReading:
        return self.link.reading(self.now_s)

    def overload(self, source: WrenchSource) -> None:
        self.sensor.measured.source = source

    def restart(self) -> None:
        self.sensor.restart(self.now_s)


Kind = type[NetFtRig] | type[BotaRig]
RIGS: list[Kind] = [NetFtRig, BotaRig]
