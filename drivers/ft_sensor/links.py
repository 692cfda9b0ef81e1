"""The host's ends of both protocols, as functions of bytes and time: order of samples, restarts, bias.

Nothing latches here: a reading is valid or it is not, and the kernel, which moves the arm, latches what stops it.
"""

import math
from dataclasses import dataclass, replace

from podhand.core.errors import ConfigError, StateError
from podhand.core.exchange import FtStatus
from podhand.drivers.ft_sensor.wrench import Wrench, WrenchLimits, WrenchReading, WrenchTrack
from podhand.firmware_iface.ft_bota import TIMESTAMP_MODULUS, BotaFrame, BotaReader, judge_status
from podhand.firmware_iface.ft_rdt import (
    COUNTS_LIMIT,
    SEQUENCE_MODULUS,
    STATUS_TABLES,
    Counts,
    NetFtModel,
    RdtCommand,
    RdtRecord,
    RdtRequest,
    decode_datagram,
)
from podhand.firmware_iface.ft_reject import FtReject

RESTART_S = 0.1
"""With no sample taken for that long, or 10 periods, the stream is asked for again and its numbers begin anew."""
_RESTART_PERIODS = 10
_JUMP_S = 1.0
"""No stream goes on after so long a gap: it was restarted meanwhile. A number farther ahead is not one of ours."""
ANSWER_S = 0.03
"""A stream whose first record takes longer is not used: its delay would not show in what follows."""
BIAS_S = 0.1
"""How long the wrench is not valid while the sensor takes its zero: the way there, its filter, the way back."""
LATE_S = 1.0
"""Samples that have been late for that long: perhaps their numbers mislead, so the stream is asked for again."""
_BIAS_ZERO = 0.02
"""Part of the range that a wrench may keep after its bias: noise, and people nearby."""


@dataclass(frozen=True, kw_only=True)
class RdtScaling:
    """What the counts mean; from the sensor's configuration page, which must be set to N and N m."""

    model: NetFtModel
    counts_per_n: float
    counts_per_n_m: float

    def __post_init__(self) -> None:
        for name, value in (("counts_per_n", self.counts_per_n), ("counts_per_n_m", self.counts_per_n_m)):
            if not 1.0 <= value <= 1e9:
                raise ConfigError(
                    f"{name} must be in 1 … 1e9 (got {value}); it stands on the sensor's configuration page"
                )

    def wrench(self, counts: Counts) -> Wrench:
        """Return newtons and newton metres."""
        fx, fy, fz, tx, ty, tz = counts
        force, torque = 1.0 / self.counts_per_n, 1.0 / self.counts_per_n_m
        return fx * force, fy * force, fz * force, tx * torque, ty * torque, tz * torque


class _Restart:
    """Says when a stream that gives nothing must begin anew."""

    def __init__(self, period_s: float) -> None:
        self._patience_s = max(RESTART_S, _RESTART_PERIODS * period_s)
        self._since_s = -math.inf

    def taken(self, now_s: float) -> None:
        self._since_s = now_s

    def hurry(self) -> None:
        """Make it due."""
        self._since_s = -math.inf

    def due(self, now_s: float) -> bool:
        """Return True once per patience without a sample, the first time at once."""
        if now_s - self._since_s < self._patience_s:
            return False
        self._since_s = now_s
        return True


class RdtLink:
    """The host's end of RDT. Times must never go back; not thread-safe."""

    def __init__(self, limits: WrenchLimits, scaling: RdtScaling) -> None:
        self.track = WrenchTrack(
            limits, look_at="its power, cable and address, and for another program that has taken the stream"
        )
        self._scaling = scaling
        self._table = STATUS_TABLES[scaling.model]
        self._jump = round(_JUMP_S / limits.period_s)
        self._restart = _Restart(limits.period_s)
        self._asked_s = math.inf
        self._fastest_answer_s = math.inf
        self._in_time_s = -math.inf
        self._newest: RdtRecord | None = None
        self._newest_made: int | None = None
        self._streamed = 0
        self._bias_until_s: float | None = None
        self._bias_sum = [0.0] * 6
        self._bias_samples = 0
        self._bias_failed = ""
        self._bias_due = False
        self._biased = False

    def receive(self, datagram: bytes, now_s: float) -> None:
        """Take one datagram that has arrived by now."""
        records = decode_datagram(datagram)
        if isinstance(records, FtReject):
            self.track.rejects[records] += 1
            return
        for record in records:
            reject = self._order(record, now_s)
            if reject is not None:
                self.track.rejects[reject] += 1
            else:
                self._take(record, now_s)

    def poll(self, now_s: float) -> list[bytes]:
        """Let time pass; return the datagrams to send. Give ``receive`` all that has arrived first."""
        requests = []
        if self._bias_until_s is not None and now_s >= self._bias_until_s:
            self._end_bias(now_s)
        if not self.track.is_late(now_s):
            self._in_time_s = now_s
        elif now_s - self._in_time_s > LATE_S:
            self._in_time_s = now_s
            self._restart.hurry()
        if self._restart.due(now_s):
            self._newest, self._asked_s = None, now_s
            self.track.restart(delay_s=self._fastest_answer_s)
            requests.append(RdtRequest(command=RdtCommand.START).pack())
        if self._bias_due:
            self._bias_due = False
            requests.append(RdtRequest(command=RdtCommand.BIAS).pack())
        self.track.note_change(now_s, why_not=self.reading(now_s).why_not)
        return requests

    def reading(self, now_s: float) -> WrenchReading:
        """Return what is known now."""
        reading = self.track.reading(now_s)
        why = "the sensor takes its zero" if self.biasing else self._bias_failed
        if why and reading.valid:
            return replace(reading, status=FtStatus.INVALID, why_not=why)
        return reading

    @property
    def biasing(self) -> bool:
        """True while the sensor takes its zero."""
        return self._bias_until_s is not None

    def bias(self, now_s: float) -> None:
        """Ask the sensor to make the present load its zero; the wrench is not valid until it was seen to be there.

        A wrench that stays away from zero is not valid until a bias succeeds: nobody knows which zero it has.
        The arm must stand free and still: what it carries or touches now is subtracted from then on.

        Raises StateError when the wrench is not valid now; nothing was sent.
        """
        why = self.track.reading(now_s).why_not
        if why or self.biasing:
            raise StateError(f"no bias while the wrench is not valid ({why or 'the sensor takes its zero'})")
        self._bias_due, self._biased, self._bias_failed = True, True, ""
        self._bias_until_s = now_s + BIAS_S
        self._bias_sum, self._bias_samples = [0.0] * 6, 0

    @staticmethod
    def goodbye() -> bytes:
        """Return the datagram that ends the stream."""
        return RdtRequest(command=RdtCommand.STOP).pack()

    def _order(self, record: RdtRecord, now_s: float) -> FtReject | None:
        """Judge the numbers of a record; count what is missing before it."""
        reject = self._order_in_stream(record, now_s)
        if reject is not None:
            return reject
        self._newest = record
        before, self._newest_made = self._newest_made, record.ft_sequence
        return FtReject.STANDING if record.ft_sequence == before else None

    def _order_in_stream(self, record: RdtRecord, now_s: float) -> FtReject | None:
        if self._newest is None:
            return self._order_first(record, now_s)
        ahead = (record.rdt_sequence - self._newest.rdt_sequence) % SEQUENCE_MODULUS
        if ahead == 0:
            return FtReject.DUPLICATE
        if ahead >= SEQUENCE_MODULUS // 2:
            return FtReject.LATE
        if ahead > self._jump:
            return FtReject.JUMP
        self.track.lost += ahead - 1
        self._streamed += ahead
        return None

    def _order_first(self, record: RdtRecord, now_s: float) -> FtReject | None:
        """Numbers begin at 1 with every request: what does not fit the time since then is of another stream."""
        period_s = self.track.limits.period_s
        waited_s = now_s - self._asked_s - (record.rdt_sequence - 1) * period_s
        if record.rdt_sequence == 0 or waited_s < -2.0 * period_s:
            return FtReject.JUMP
        if waited_s > max(ANSWER_S, 3.0 * period_s):
            return FtReject.LATE
        if self._biased and self._newest_made is not None and record.ft_sequence < self._newest_made:
            self._bias_failed = "the sensor has restarted and lost its zero: ask for it again"
        self._streamed = record.rdt_sequence - 1
        self._fastest_answer_s = min(self._fastest_answer_s, max(waited_s, 0.0))
        return None

    def _take(self, record: RdtRecord, now_s: float) -> None:
        self._restart.taken(now_s)
        status, why = self._table.judge(record.status)
        if status is FtStatus.OK and max(map(abs, record.counts)) >= COUNTS_LIMIT:
            status, why = FtStatus.SATURATED, "counts at the end of their 32 bits"
        wrench = self._scaling.wrench(record.counts)
        sensor_s = self._asked_s + self._streamed * self.track.limits.period_s
        self.track.take(wrench, status=status, why=why, sensor_s=sensor_s, now_s=now_s)
        if self._bias_until_s is not None and now_s >= self._bias_until_s - BIAS_S / 2:
            self._bias_sum = [total + value for total, value in zip(self._bias_sum, wrench, strict=True)]
            self._bias_samples += 1

    def _end_bias(self, now_s: float) -> None:
        self._bias_until_s = None
        limits = self.track.limits
        zero = [_BIAS_ZERO * limits.range_force_n] * 3 + [_BIAS_ZERO * limits.range_torque_n_m] * 3
        if not self._bias_samples:
            self._bias_failed = "no sample came while the sensor took its zero: ask for it again"
        elif any(abs(total) / self._bias_samples > most for total, most in zip(self._bias_sum, zero, strict=True)):
            self._bias_failed = "the wrench did not go to zero: let the arm stand free and ask again"
        self.track.note_change(now_s, why_not=self._bias_failed)


class BotaLink:
    """The host's end of a Bota sensor's stream. Times must never go back; not thread-safe."""

    def __init__(self, limits: WrenchLimits) -> None:
        self.track = WrenchTrack(limits, look_at="its power and cable, and the baud rate")
        self.temperature_deg_c: float | None = None
        self._reader = BotaReader()
        self._restart = _Restart(limits.period_s)
        self._newest_us = -1
        self._streamed_us = 0
        self._in_stream = False

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes that have arrived by now."""
        for found in self._reader.feed(data):
            reject = found if isinstance(found, FtReject) else self._order(found)
            if reject is not None:
                self.track.rejects[reject] += 1
            elif isinstance(found, BotaFrame):
                self._take(found, now_s)

    def poll(self, now_s: float) -> None:
        """Let time pass. Give ``receive`` all that has arrived first."""
        if self._restart.due(now_s):
            self._in_stream = False
            self.track.restart()
        self.track.note_change(now_s, why_not=self.reading(now_s).why_not)

    def reading(self, now_s: float) -> WrenchReading:
        """Return what is known now."""
        return self.track.reading(now_s)

    def port_lost(self) -> None:
        """The line is gone: what follows has nothing to do with what came before."""
        self._reader.forget()
        self._in_stream = False
        self.track.restart()

    def _order(self, frame: BotaFrame) -> FtReject | None:
        """Judge the time stamp of a frame; count what is missing before it."""
        if not self._in_stream and frame.timestamp_us != self._newest_us:
            self._newest_us, self._streamed_us, self._in_stream = frame.timestamp_us, 0, True
            return None
        ahead_us = (frame.timestamp_us - self._newest_us) % TIMESTAMP_MODULUS
        if ahead_us == 0:
            return FtReject.DUPLICATE
        if ahead_us >= TIMESTAMP_MODULUS // 2:
            return FtReject.LATE
        if ahead_us > _JUMP_S * 1e6:
            return FtReject.JUMP
        self._newest_us = frame.timestamp_us
        self._streamed_us += ahead_us
        self.track.lost += max(round(ahead_us * 1e-6 / self.track.limits.period_s) - 1, 0)
        return None

    def _take(self, frame: BotaFrame, now_s: float) -> None:
        self._restart.taken(now_s)
        self.temperature_deg_c = frame.temperature_deg_c
        status, why = judge_status(frame.status)
        self.track.take(frame.wrench, status=status, why=why, sensor_s=self._streamed_us * 1e-6, now_s=now_s)
