"""Emulated sensors as functions of bytes and time: what they measure is a function, what they do wrong is set."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from podhand.core.exchange import FtStatus
from podhand.drivers.ft_sensor.links import RdtScaling
from podhand.drivers.ft_sensor.wrench import Wrench, WrenchLimits
from podhand.firmware_iface.ft_bota import TIMESTAMP_MODULUS, BotaFrame, BotaStatus
from podhand.firmware_iface.ft_rdt import (
    COUNTS_LIMIT,
    SEQUENCE_MODULUS,
    NetFtModel,
    RdtCommand,
    RdtRecord,
    RdtRequest,
)

WrenchSource = Callable[[float], Sequence[float]]
"""Gives the wrench (6) [N, N m] at a time [s]."""
NO_LOAD: Wrench = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
RDT_SAMPLE_HZ = 7000
"""The sensor's own rate, which its ``ft_sequence`` counts."""
_SATURATED_STATUS = {NetFtModel.NET_FT: 1 << 31 | 1 << 17, NetFtModel.ETHERNET_AXIA: 1 << 31 | 1 << 30}


def wave(time_s: float) -> Wrench:
    """A wrench that is easy to recognise: each axis its own frequency, 10 N and 1 N m high."""
    f = [math.sin(2.0 * math.pi * (1.0 + axis) * time_s) for axis in range(6)]
    return 10.0 * f[0], 10.0 * f[1], 10.0 * f[2], f[3], f[4], f[5]


@dataclass(kw_only=True)
class SensorFaults:
    """What an emulated sensor may be made to do wrong."""

    status: int = 0
    """Status bits that it reports on top of its own."""
    frozen: bool = False
    """Samples go on being numbered, their values stand still."""
    standing: bool = False
    """The converter stands still: the stream goes on with the same sample."""
    repeats: bool = False
    """The very same packet is sent again and again."""


class _Measured:
    """Wrench with noise, within the range of the sensor."""

    def __init__(self, source: WrenchSource, limits: WrenchLimits, *, seed: int) -> None:
        self.source = source
        self.zero = NO_LOAD
        self._ranges = (limits.range_force_n,) * 3 + (limits.range_torque_n_m,) * 3
        self._random = random.Random(seed)

    def sample(self, time_s: float) -> tuple[Wrench, FtStatus]:
        """Return what the sensor shows at a time, clipped at its range."""
        status = FtStatus.OK
        shown = []
        for value, zero, most in zip(self.source(time_s), self.zero, self._ranges, strict=True):
            noisy = value + self._random.gauss(0.0, most * 1e-4)
            if abs(noisy) >= most:
                noisy, status = math.copysign(most, noisy), FtStatus.SATURATED
            shown.append(noisy - zero)
        fx, fy, fz, tx, ty, tz = shown
        return (fx, fy, fz, tx, ty, tz), status


class EmulatedNetFt:
    """One ATI sensor from power-up on; times must never go back.

    Args:
        rate_hz: its RDT rate; None follows ``limits``, another one is a sensor that was set up wrongly.
        records_per_datagram: more than one only when buffered mode was asked for.
    """

    def __init__(
        self,
        limits: WrenchLimits,
        scaling: RdtScaling,
        *,
        now_s: float,
        source: WrenchSource = wave,
        seed: int = 0,
        rate_hz: float | None = None,
        records_per_datagram: int = 1,
    ) -> None:
        self.faults = SensorFaults()
        self.measured = _Measured(source, limits, seed=seed)
        self.rejected = 0
        """Datagrams that were no request."""
        self._scaling = scaling
        self._period_s = limits.period_s if rate_hz is None else 1.0 / rate_hz
        self._per_datagram = records_per_datagram
        self.restart(now_s)

    def restart(self, now_s: float) -> None:
        """Lose and regain power: no stream, no bias, samples counted from 0."""
        self._booted_s = now_s
        self._left: float = 0
        self._buffered = False
        self._rdt_sequence = 0
        self._next_s = now_s
        self._block: list[bytes] = []
        self._last: RdtRecord | None = None
        self.measured.zero = NO_LOAD

    @property
    def streaming(self) -> bool:
        """True while records are asked for."""
        return self._left > 0

    def skip_to(self, rdt_sequence: int) -> None:
        """Let the stream go on as if it had run for long."""
        self._rdt_sequence = rdt_sequence

    def receive(self, datagram: bytes, now_s: float) -> None:
        """Take a request."""
        request = RdtRequest.unpack(datagram)
        if request is None:
            self.rejected += 1
            return
        match request.command:
            case RdtCommand.STOP:
                self._left = 0
            case RdtCommand.BIAS:
                fx, fy, fz, tx, ty, tz = self.measured.source(now_s)
                self.measured.zero = (fx, fy, fz, tx, ty, tz)
            case _:
                self._left = request.sample_count or math.inf
                self._buffered = request.command is RdtCommand.START_BUFFERED
                self._rdt_sequence, self._next_s, self._block = 0, now_s, []

    def poll(self, now_s: float) -> list[bytes]:
        """Let time pass; return the datagrams to send now."""
        datagrams = []
        while self._left > 0 and now_s >= self._next_s:
            self._block.append(self._record(self._next_s).pack())
            self._next_s += self._period_s
            self._left -= 1
            if not self._buffered or len(self._block) >= self._per_datagram or not self._left:
                datagrams.append(b"".join(self._block))
                self._block = []
        return datagrams

    def _record(self, time_s: float) -> RdtRecord:
        if self.faults.repeats and self._last is not None:
            return self._last
        self._rdt_sequence = (self._rdt_sequence + 1) % SEQUENCE_MODULUS
        wrench, status = self.measured.sample(time_s)
        record = RdtRecord(
            rdt_sequence=self._rdt_sequence,
            ft_sequence=int((time_s - self._booted_s) * RDT_SAMPLE_HZ) % SEQUENCE_MODULUS,
            status=(0 if status is FtStatus.OK else _SATURATED_STATUS[self._scaling.model]) | self.faults.status,
            counts=self._counts(wrench),
        )
        if self._last is not None and self.faults.frozen:
            record = replace(record, counts=self._last.counts)
        if self._last is not None and self.faults.standing:
            record = replace(record, counts=self._last.counts, ft_sequence=self._last.ft_sequence)
        self._last = record
        return record

    def _counts(self, wrench: Wrench) -> tuple[int, int, int, int, int, int]:
        per = (self._scaling.counts_per_n,) * 3 + (self._scaling.counts_per_n_m,) * 3
        fx, fy, fz, tx, ty, tz = (
            max(-COUNTS_LIMIT - 1, min(COUNTS_LIMIT, round(value * each)))
            for value, each in zip(wrench, per, strict=True)
        )
        return fx, fy, fz, tx, ty, tz


class EmulatedBota:
    """One Bota sensor from power-up on; times must never go back."""

    def __init__(
        self,
        limits: WrenchLimits,
        *,
        now_s: float,
        source: WrenchSource = wave,
        seed: int = 0,
        rate_hz: float | None = None,
    ) -> None:
        self.faults = SensorFaults()
        self.measured = _Measured(source, limits, seed=seed)
        self._period_s = limits.period_s if rate_hz is None else 1.0 / rate_hz
        self.restart(now_s)

    def restart(self, now_s: float, *, timestamp_us: int = 0) -> None:
        """Lose and regain power: time stamps begin anew."""
        self._booted_s = now_s - timestamp_us * 1e-6
        self._next_s = now_s
        self._last: BotaFrame | None = None

    def poll(self, now_s: float) -> list[bytes]:
        """Let time pass; return the frames to send now."""
        frames = []
        while now_s >= self._next_s:
            frames.append(self._frame(self._next_s).pack())
            self._next_s += self._period_s
        return frames

    def _frame(self, time_s: float) -> BotaFrame:
        if self.faults.repeats and self._last is not None:
            return self._last
        wrench, status = self.measured.sample(time_s)
        frame = BotaFrame(
            status=(0 if status is FtStatus.OK else int(BotaStatus.OVERRANGE)) | self.faults.status,
            wrench=wrench,
            timestamp_us=round((time_s - self._booted_s) * 1e6) % TIMESTAMP_MODULUS,
            temperature_deg_c=31.5,
        )
        if self._last is not None and self.faults.frozen:
            frame = replace(frame, wrench=self._last.wrench)
        if self._last is not None and self.faults.standing:
            frame = replace(frame, wrench=self._last.wrench, timestamp_us=self._last.timestamp_us)
        self._last = frame
        return frame
