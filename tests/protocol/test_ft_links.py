"""Both force/torque sensors on a virtual clock: validity by the sensor's own period, every fault, bias, fuzz."""

import dataclasses
import math
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from podhand.core.errors import ConfigError, StateError
from podhand.core.exchange import INPUTS_DTYPE, FtStatus
from podhand.drivers.ft_sensor.emulated import SensorFaults
from podhand.drivers.ft_sensor.line import LineFaults
from podhand.drivers.ft_sensor.links import BIAS_S, BotaLink, RdtLink, RdtScaling
from podhand.drivers.ft_sensor.wrench import SETTLE_SAMPLES, STALE_PERIODS, BadSample, WrenchLimits
from podhand.firmware_iface.ft_rdt import NetFtModel, RdtCommand, RdtRequest
from podhand.firmware_iface.ft_reject import FtReject
from tests.protocol.ft_rig import BOTA_LIMITS, NET_FT_LIMITS, RIGS, SCALING, BotaRig, Kind, NetFtRig, Rig

pytestmark = pytest.mark.ft_sensor
AXIA = RdtScaling(model=NetFtModel.ETHERNET_AXIA, counts_per_n=1_000_000.0, counts_per_n_m=1_000_000.0)
both = pytest.mark.parametrize("kind", RIGS, ids=["net_ft", "bota"])


def steady(_: float) -> tuple[float, ...]:
    return 12.0, -34.0, 56.0, 1.0, -2.0, 3.0


# When all is well -----------------------------------------------------------------------------------------------------


@both
def test_wrench_is_in_newtons(kind: Kind) -> None:
    rig = kind(source=steady).valid()
    assert rig.reading.wrench == pytest.approx(steady(0.0), abs=0.3)
    assert rig.track.lost == 0 and not rig.track.rejects and not rig.track.bad


def test_counts_are_divided_by_the_configured_factors() -> None:
    link = RdtLink(NET_FT_LIMITS, RdtScaling(model=NetFtModel.NET_FT, counts_per_n=1000.0, counts_per_n_m=50.0))
    link.poll(0.0)
    for number in range(1, SETTLE_SAMPLES + 1):
        now_s = number * 1e-3
        link.receive(struct.pack(">III6i", number, 7 * number, 0, 2500, -1000, number, 25, -50, 100), now_s)
    assert link.reading(now_s).wrench == (2.5, -1.0, 0.003, 0.5, -1.0, 2.0)
    assert link.reading(now_s).valid


@both
def test_age_counts_from_the_fastest_sample(kind: Kind) -> None:
    """A delay that comes later shows in the age, not only in the arrival."""
    rig = kind().valid()
    period_s = rig.limits.period_s
    assert rig.reading.age_s <= period_s
    rig.line.faults.delay_s = 1.5 * period_s
    rig.run(100)
    rig.at_a_sample()
    assert rig.reading.age_s == pytest.approx(1.5 * period_s, abs=0.3 * period_s)
    assert rig.reading.valid


@both
def test_sequence_counts_good_samples(kind: Kind) -> None:
    rig = kind().valid()
    before = rig.reading.sequence
    rig.run(100)
    assert rig.reading.sequence - before == 100


@both
def test_record_of_the_tick(kind: Kind) -> None:
    rig = kind(source=steady).valid()
    inputs = np.zeros((), dtype=INPUTS_DTYPE)
    rig.reading.write_inputs(inputs, period_s=rig.limits.period_s)
    good = inputs.copy()
    assert inputs["wrench"] == pytest.approx(steady(0.0), abs=0.3)
    assert inputs["ft_status"] == FtStatus.OK and inputs["ft_period_s"] == rig.limits.period_s
    rig.faults.status = 4
    rig.run(20)
    rig.reading.write_inputs(inputs, period_s=rig.limits.period_s)
    assert inputs["ft_status"] == FtStatus.INVALID
    assert np.array_equal(inputs["wrench"], good["wrench"]) and inputs["ft_sequence"] == good["ft_sequence"]


@both
def test_nothing_is_known_before_the_first_sample(kind: Kind) -> None:
    reading = kind().reading
    assert reading.status is FtStatus.INVALID and "nothing comes: look at its power" in reading.why_not
    assert all(map(math.isnan, reading.wrench)) and reading.age_s == math.inf and reading.sequence == 0


@both
def test_two_lost_samples_in_a_row_do_not_matter(kind: Kind) -> None:
    rig = kind().valid()
    for _ in range(20):
        rig.at_a_sample()
        rig.line.faults.lost = 1.0
        rig.run(2)
        rig.line.faults.lost = 0.0
        for _ in range(8):
            rig.step()
            assert rig.reading.valid
        rig.run(5)
    assert rig.track.lost == 40 and len(rig.track.events) <= 3


@both
def test_single_duplicates_and_late_ones_are_refused_and_do_not_matter(kind: Kind) -> None:
    rig = kind().valid()
    rig.line.faults.twice = 0.1 if isinstance(rig, NetFtRig) else 0.0
    rig.line.faults.late, rig.line.faults.late_s = 0.03, 1.2 * rig.limits.period_s
    before = rig.reading.sequence
    for _ in range(4000):
        rig.step()
        assert rig.reading.age_s <= STALE_PERIODS * rig.limits.period_s or not rig.reading.valid
    assert rig.reading.sequence - before > 900
    assert rig.track.rejects[FtReject.LATE] > 5
    if isinstance(rig, NetFtRig):
        assert rig.track.rejects[FtReject.DUPLICATE] > 50


def clean(rig: Rig, samples: int) -> None:
    """Let samples come, early and late by a part of a period; nothing may trip."""
    rig.valid()
    jitter = random.Random(3)
    events, received = len(rig.track.events), rig.track.received
    while rig.track.received - received < samples:
        rig.line.faults.delay_s = jitter.uniform(0.0, 0.8) * rig.limits.period_s
        rig.run(1)
        assert rig.reading.valid, rig.reading
    assert not rig.track.bad and not rig.track.rejects[FtReject.CRC] and rig.track.lost == 0
    assert len(rig.track.events) == events and rig.track.longest_equal_run == 0


@both
@pytest.mark.parametrize("clock_ppm", [-200.0, 0.0, 200.0])
def test_no_false_trip(kind: Kind, clock_ppm: float) -> None:
    rate_hz = (1.0 + clock_ppm * 1e-6) / kind().limits.period_s
    clean(kind(rate_hz=rate_hz), 5_000)


@both
@pytest.mark.soak
@pytest.mark.skipif("PODHAND_SOAK" not in os.environ, reason="minutes long; `make nightly` runs it")
def test_no_false_trip_in_a_million_samples(kind: Kind) -> None:
    clean(kind(rate_hz=1.0001 / kind().limits.period_s), 1_000_000)


def test_numbers_of_rdt_may_wrap() -> None:
    rig = NetFtRig().valid()
    assert rig.link._newest is not None
    rig.link._newest = dataclasses.replace(rig.link._newest, rdt_sequence=2**32 - 10)
    rig.sensor.skip_to(2**32 - 10)
    rig.run(50)
    assert rig.reading.valid and rig.track.lost == 0 and not rig.track.rejects


def test_time_stamps_of_bota_may_wrap() -> None:
    rig = BotaRig()
    rig.sensor.restart(rig.now_s, timestamp_us=2**32 - 100_000)
    rig.valid()
    rig.run(200)
    assert rig.reading.valid and rig.track.lost == 0 and not rig.track.rejects


def test_buffered_records_are_read() -> None:
    """Nobody should ask for them; a sensor that sends them is read all the same."""
    rig = NetFtRig(records_per_datagram=2)
    rig.step()
    rig.sensor.receive(RdtRequest(command=RdtCommand.START_BUFFERED).pack(), rig.now_s)
    rig.run(50)
    assert rig.reading.valid and rig.track.lost == 0


# Faults: each has one defined status ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    break_it: Callable[[Rig], None]
    status: FtStatus
    words: str
    reject: FtReject | None = None
    bad: BadSample | None = None
    only: Kind | None = None
    bota_reject: FtReject | None = None
    """Where the serial stream tells the same by another name."""


def line(**faults: float | bool) -> Callable[[Rig], None]:
    return lambda rig: setattr(rig.line, "faults", LineFaults(**faults))  # type: ignore[arg-type]


def sensor(**faults: int | bool) -> Callable[[Rig], None]:
    def set_faults(rig: Rig) -> None:
        for name, value in faults.items():
            setattr(rig.faults, name, value)

    return set_faults


def saturate_by_status(rig: Rig) -> None:
    rig.faults.status = rig.saturated_status


def overload(rig: Rig) -> None:
    rig.overload(lambda _: (0.0, 0.0, 1e4, 0.0, 0.0, 0.0))


def break_number(rig: Rig) -> None:
    rig.overload(lambda _: (math.nan, 0.0, 0.0, 0.0, 0.0, 0.0))


CASES = [
    Case("silence", line(silent=True), FtStatus.INVALID, "nothing comes"),
    Case("all lost", line(lost=1.0), FtStatus.INVALID, "nothing comes"),
    Case("same packet again and again", sensor(repeats=True), FtStatus.INVALID, "nothing comes", FtReject.DUPLICATE),
    Case("converter stands", sensor(standing=True), FtStatus.INVALID, "nothing comes", FtReject.STANDING,
         bota_reject=FtReject.DUPLICATE),
    Case("frozen", sensor(frozen=True), FtStatus.INVALID, "reading stands still", bad=BadSample.FROZEN),
    Case("status error", sensor(status=4), FtStatus.INVALID, "sensor reports", bad=BadSample.REPORTED),
    Case("unexplained status", sensor(status=0x8000), FtStatus.INVALID, "bit 15", bad=BadSample.REPORTED),
    Case("saturated by status", saturate_by_status, FtStatus.SATURATED, "sensor reports", bad=BadSample.SATURATED),
    Case("overload", overload, FtStatus.SATURATED, "sensor reports", bad=BadSample.SATURATED),
    Case("not a number", break_number, FtStatus.INVALID, "not a number", bad=BadSample.NOT_A_NUMBER, only=BotaRig),
    Case("too short", line(shortened=1.0), FtStatus.INVALID, "nothing comes", FtReject.LENGTH,
         bota_reject=FtReject.GARBAGE),
    Case("too long", line(lengthened=1.0), FtStatus.INVALID, "nothing comes", FtReject.LENGTH, only=NetFtRig),
    Case("damaged", line(flipped_bit=1.0), FtStatus.INVALID, "nothing comes", FtReject.CRC, only=BotaRig),
    Case("held up", line(delay_s=0.02), FtStatus.INVALID, "nothing comes|come late"),
]  # fmt: skip


MATRIX = [
    pytest.param(kind, case, id=f"{kind.__name__}-{case.name.replace(' ', '_')}")
    for kind in RIGS
    for case in CASES
    if case.only in (None, kind)
]


@pytest.mark.fault_matrix
@pytest.mark.parametrize(("kind", "case"), MATRIX)
def test_fault_is_flagged_within_three_periods_and_recovers(kind: Kind, case: Case) -> None:
    rig = kind().valid()
    rig.at_a_sample()
    before = rig.reading
    source = rig.sensor.measured.source
    case.break_it(rig)
    took_s = rig.until(lambda: not rig.reading.valid, within_periods=5)
    assert took_s <= STALE_PERIODS * rig.limits.period_s + rig.transit_s + 1.01 * rig.step_s
    rig.run(40)
    reading = rig.reading
    assert reading.status is case.status, reading
    assert any(word in reading.why_not for word in case.words.split("|")), reading
    assert reading.wrench != (0.0,) * 6 and all(map(math.isfinite, reading.wrench))
    if case.name != "held up":
        assert reading.sequence - before.sequence <= 3, "what is not valid is not counted as a sample"
        assert reading.age_s >= 37 * rig.limits.period_s, "the age grows"
    reject = case.bota_reject if case.bota_reject and isinstance(rig, BotaRig) else case.reject
    if reject is not None:
        assert rig.track.rejects[reject] > 0
    if case.bad is not None:
        assert rig.track.bad[case.bad] >= 30
    assert any(word in text for _, text in rig.track.events for word in case.words.split("|"))

    rig.line.faults = LineFaults()
    for field in dataclasses.fields(SensorFaults):
        setattr(rig.faults, field.name, field.default)
    rig.sensor.measured.source = source
    rig.until(lambda: rig.reading.valid, within_periods=1300)
    rig.run(50)
    assert rig.reading.valid and rig.track.events[-1][1] == "valid again"


@pytest.mark.parametrize(("kind", "case"), [param for param in MATRIX if "held_up" not in str(param.id)])
def test_lasting_fault_never_looks_valid(kind: Kind, case: Case) -> None:
    """Streams are asked for again meanwhile: none of those beginnings may pass for a measurement."""
    rig = kind().valid()
    case.break_it(rig)
    rig.run(5)
    for _ in range(2000):
        rig.step()
        assert not rig.reading.valid


@both
def test_sensor_that_is_slower_than_configured_is_told(kind: Kind) -> None:
    rig = kind(rate_hz=0.5 / kind().limits.period_s)
    rig.run(1000)
    if isinstance(rig, NetFtRig):
        assert not rig.reading.valid and "slower than every 1 ms" in rig.reading.why_not
    else:
        assert rig.track.lost > 400, "its time stamps tell what is missing"


@both
def test_restart_of_the_sensor_heals_itself(kind: Kind) -> None:
    rig = kind().valid()
    rig.run(500)
    rig.restart()
    rig.until(lambda: not rig.reading.valid, within_periods=5)
    rig.until(lambda: rig.reading.valid, within_periods=250)
    rig.run(500)
    assert rig.reading.valid


@both
def test_pause_of_the_host_looks_old(kind: Kind) -> None:
    """What has waited in a buffer is no news, though it has just been read."""
    rig = kind().valid()
    sent = []
    for _ in range(40):
        rig.clock.advance(rig.limits.period_s)
        sent += rig.sensor.poll(rig.now_s)
    for packet in sent[:-10]:
        rig.link.receive(packet, rig.now_s)
    assert not rig.reading.valid and rig.reading.age_s >= 9 * rig.limits.period_s
    for packet in sent[-10:]:
        rig.link.receive(packet, rig.now_s)
    assert rig.reading.valid


def test_delay_that_came_meanwhile_is_not_hidden_by_a_new_stream() -> None:
    """The fastest answer ever seen bounds how young a sample can be."""
    rig = NetFtRig().valid()
    rig.line.faults.silent = True
    rig.run(50)
    rig.line.faults = LineFaults(delay_s=0.02)
    rig.run(10)
    for _ in range(10_000):
        rig.step()
        assert not rig.reading.valid
    assert "come late" in rig.reading.why_not and rig.reading.age_s >= 0.0195
    rig.line.faults = LineFaults()
    rig.until(lambda: rig.reading.valid, within_periods=150)


def test_another_program_takes_the_stream() -> None:
    rig = NetFtRig().valid()
    rig.deaf = True
    rig.sensor.receive(RdtRequest(command=RdtCommand.STOP).pack(), rig.now_s)
    rig.run(20)
    assert "another program that has taken the stream" in rig.reading.why_not
    rig.deaf = False
    rig.until(lambda: rig.reading.valid, within_periods=150)


def test_records_that_nobody_asked_for_are_refused() -> None:
    link = RdtLink(NET_FT_LIMITS, SCALING)
    link.receive(struct.pack(">III6i", 1, 7, 0, *range(6)), 0.001)
    assert link.track.received == 0 and link.track.rejects[FtReject.JUMP] == 1


@pytest.mark.parametrize(("number", "after_s", "reject"), [(0, 0.001, FtReject.JUMP), (500, 0.001, FtReject.JUMP),
                                                           (1, 0.05, FtReject.LATE), (1, 0.001, None)])  # fmt: skip
def test_first_record_must_fit_the_request(number: int, after_s: float, reject: FtReject | None) -> None:
    link = RdtLink(NET_FT_LIMITS, SCALING)
    assert link.poll(5.0) == [bytes.fromhex("1234000200000000")]
    link.receive(struct.pack(">III6i", number, 7, 0, *range(6)), 5.0 + after_s)
    assert dict(link.track.rejects) == ({} if reject is None else {reject: 1})


def test_far_number_does_not_lock_the_true_ones_out() -> None:
    rig = NetFtRig().valid()
    rig.link.receive(struct.pack(">III6i", 2**30, 2**30, 0, *range(6)), rig.now_s)
    assert rig.track.rejects[FtReject.JUMP] == 1
    for _ in range(100):
        rig.step()
        assert rig.reading.valid


def test_axia_has_its_own_bits() -> None:
    rig = NetFtRig(scaling=AXIA).valid()
    rig.faults.status = 1 << 16
    rig.run(20)
    assert rig.reading.valid, "a latched monitor condition is no fault of the sample"
    rig.faults.status = 1 << 3
    rig.run(2)
    assert rig.reading.status is FtStatus.INVALID and "busy" in rig.reading.why_not


def test_slow_program_of_bota_is_no_fault() -> None:
    rig = BotaRig().valid()
    rig.faults.status = 1
    rig.run(20)
    assert rig.reading.valid


def test_bytes_at_the_end_of_32_bits_are_saturated() -> None:
    """Though range and status say nothing."""
    wide = RdtScaling(model=NetFtModel.NET_FT, counts_per_n=1e8, counts_per_n_m=1e8)
    rig = NetFtRig(scaling=wide, source=lambda _: (30.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    rig.run(20)
    assert rig.reading.status is FtStatus.SATURATED and "32 bits" in rig.reading.why_not


# Bias -----------------------------------------------------------------------------------------------------------------


def test_bias_takes_the_load_away_and_is_not_valid_meanwhile() -> None:
    rig = NetFtRig(source=steady).valid()
    rig.link.bias(rig.now_s)
    assert rig.link.biasing
    for _ in range(round(BIAS_S / rig.step_s) - 1):
        rig.step()
        assert not rig.reading.valid and rig.reading.why_not == "the sensor takes its zero"
    rig.run(5)
    assert rig.reading.valid and rig.reading.wrench == pytest.approx((0.0,) * 6, abs=0.3)


def test_bias_that_does_not_come_about_stays_not_valid_until_one_does() -> None:
    rig = NetFtRig(source=steady).valid()
    rig.deaf = True
    rig.link.bias(rig.now_s)
    rig.run(500)
    assert not rig.reading.valid and "did not go to zero: let the arm stand free and ask again" in rig.reading.why_not
    rig.deaf = False
    rig.link.bias(rig.now_s)
    rig.run(110)
    assert rig.reading.valid


def test_bias_needs_a_valid_wrench() -> None:
    rig = NetFtRig()
    with pytest.raises(StateError, match="no bias while the wrench is not valid"):
        rig.link.bias(rig.now_s)
    rig.valid()
    rig.link.bias(rig.now_s)
    with pytest.raises(StateError, match="takes its zero"):
        rig.link.bias(rig.now_s)


def test_bias_is_lost_with_the_power_of_the_sensor() -> None:
    rig = NetFtRig(source=steady).valid()
    rig.run(500)
    rig.link.bias(rig.now_s)
    rig.run(110)
    assert rig.reading.valid
    rig.restart()
    rig.run(300)
    assert not rig.reading.valid and "has restarted and lost its zero: ask for it again" in rig.reading.why_not
    rig.link.bias(rig.now_s)
    rig.run(110)
    assert rig.reading.valid


def test_silence_while_biasing_is_told() -> None:
    rig = NetFtRig(source=steady).valid()
    rig.link.bias(rig.now_s)
    rig.line.faults.silent = True
    rig.run(110)
    rig.line.faults.silent = False
    rig.run(250)
    assert "no sample came while the sensor took its zero" in rig.reading.why_not


# Anything at all ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("seed", range(4))
def test_terrible_line_ends_in_a_defined_state(kind: Kind, seed: int) -> None:
    rig = kind(seed=seed).valid()
    faults = rig.line.faults
    faults.lost = faults.twice = faults.late = faults.shortened = faults.lengthened = faults.garbage = 0.1
    faults.flipped_bit = 0.1 if isinstance(rig, BotaRig) else 0.0  # UDP has its own checksum
    for _ in range(2000):
        rig.step()
        reading = rig.reading
        assert not reading.valid or reading.age_s <= STALE_PERIODS * rig.limits.period_s
        assert max(map(abs, reading.wrench)) < 12.0, "no damaged value passes"
    assert rig.track.rejects.total() > 50
    rig.line.faults = LineFaults()
    rig.until(lambda: rig.reading.valid, within_periods=300)


@pytest.mark.parametrize("seed", range(4))
def test_noise_on_udp_is_counted_and_never_valid(seed: int) -> None:
    noise = random.Random(seed)
    link = RdtLink(NET_FT_LIMITS, SCALING)
    records = 0
    for number in range(3000):
        now_s = number * 1e-3
        size = noise.choice([0, 1, 35, 36, 36, 36, 72, 1440, noise.randrange(1500)])
        link.receive(noise.randbytes(size), now_s)
        records += size // 36 if size % 36 == 0 and size else 1
        link.poll(now_s)
        assert not link.reading(now_s).valid
    assert link.track.rejects.total() + link.track.received == records


@pytest.mark.parametrize("seed", range(4))
def test_noise_on_the_serial_line_is_counted_and_never_valid(seed: int) -> None:
    noise = random.Random(seed)
    link = BotaLink(BOTA_LIMITS)
    for number in range(3000):
        now_s = number * 1e-3
        link.receive(noise.randbytes(noise.randrange(100)), now_s)
        link.poll(now_s)
        assert not link.reading(now_s).valid
    assert link.track.rejects[FtReject.GARBAGE] >= 1 and link.track.received == 0


@both
@pytest.mark.parametrize("seed", range(4))
def test_mutated_packets_never_crash(kind: Kind, seed: int) -> None:
    """Seeds are true packets: their numbers fit, so that what lies behind the first check is reached."""
    chance = random.Random(seed)
    rig = kind(seed=seed).valid()
    for _ in range(1500):
        rig.clock.advance(rig.limits.period_s)
        for packet in rig.sensor.poll(rig.now_s):
            damaged = bytearray(packet)
            for _ in range(chance.choice([0, 0, 1, 2, 8])):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            rig.link.receive(bytes(damaged), rig.now_s)
        rig.link.poll(rig.now_s)
        reading = rig.reading
        assert not reading.valid or reading.age_s <= STALE_PERIODS * rig.limits.period_s
        assert all(map(math.isfinite, reading.wrench))
    assert rig.track.rejects.total() + rig.track.bad.total() > 100


# Configuration --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"period_s": 0.0}, r"period_s of an F/T sensor must be in 0.0001 … 0.02 s \(got 0.0\)"),
        ({"period_s": math.nan}, "period_s"),
        ({"range_force_n": 0.0}, "range_force_n of an F/T sensor must be in 0 … 5000.0"),
        ({"range_torque_n_m": math.inf}, "range_torque_n_m"),
        ({"frozen_periods": 1}, "frozen_periods of an F/T sensor must be in 2 … 1000"),
    ],
)
def test_limits_are_checked(change: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        WrenchLimits(**{"period_s": 0.001, "range_force_n": 400.0, "range_torque_n_m": 15.0} | change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["counts_per_n", "counts_per_n_m"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_factors_are_checked(name: str, value: float) -> None:
    factors = {"counts_per_n": 1e6, "counts_per_n_m": 1e6} | {name: value}
    with pytest.raises(ConfigError, match=f"{name} must be in"):
        RdtScaling(model=NetFtModel.NET_FT, **factors)
