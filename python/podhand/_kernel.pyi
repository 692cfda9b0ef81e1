"""The compiled kernel. Only controllers/ and perception/ import it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

INPUTS_DTYPE: Final[np.dtype[np.void]]
OUTPUTS_DTYPE: Final[np.dtype[np.void]]
STATE_DTYPE: Final[np.dtype[np.void]]
NODE_DTYPE: Final[np.dtype[np.void]]
CONDITION_DTYPE: Final[np.dtype[np.void]]
PHASE_DTYPE: Final[np.dtype[np.void]]
REFERENCE_DTYPE: Final[np.dtype[np.void]]
AXIS_LAW_DTYPE: Final[np.dtype[np.void]]
LIMITS_DTYPE: Final[np.dtype[np.void]]
REFLEX_DTYPE: Final[np.dtype[np.void]]
DIGITAL_ACTION_DTYPE: Final[np.dtype[np.void]]
SEGMENT_DTYPE: Final[np.dtype[np.void]]
OUTCOME_DTYPE: Final[np.dtype[np.void]]
CHAIN_CONFIG_DTYPE: Final[np.dtype[np.void]]
AXIS_CONFIG_DTYPE: Final[np.dtype[np.void]]
PAYLOAD_DTYPE: Final[np.dtype[np.void]]
FT_CONFIG_DTYPE: Final[np.dtype[np.void]]
SAFETY_CONFIG_DTYPE: Final[np.dtype[np.void]]
KERNEL_CONFIG_DTYPE: Final[np.dtype[np.void]]
CELL_DTYPE: Final[np.dtype[np.void]]
"""The cell after one tick, as podhand-rt shares it: ticks, inputs, outputs, state, health."""
EVENT_DTYPE: Final[np.dtype[np.void]]
LEASE_S: Final[float]
STATE_BYTES: Final[int]
"""Size of a saved state of the kernel."""
BUCKET_FLOORS_NS: Final[NDArray[np.uint64]]
"""The least duration of each bucket of podhand-rt's histograms [ns]."""
MIN_DAMPING_RATIO: Final[float]

class KernelRefusal(ValueError):
    """The kernel did not take a configuration, chain or command: ``segment 2: rule (got x, allowed a .. b)``."""

def layout_hash() -> int:
    """Return a number that changes when any field that crosses the border moves."""

def build_id() -> str:
    """Return version and fingerprint of sources, compiler and flags: replays are bit-exact on the same build."""

def validate_config(config: NDArray[np.void]) -> None:
    """Judge one record of ``KERNEL_CONFIG_DTYPE``. Raises KernelRefusal; nothing is taken."""

def validate_chain(config: NDArray[np.void], segments: NDArray[np.void], channel: int) -> None:
    """Judge a chain against a configuration. Raises KernelRefusal; nothing is taken."""

class Kernel:
    """The deterministic step of the whole cell; see kernel.hpp. Not thread-safe: one host owns it."""

    def __init__(self) -> None: ...
    def configure(self, config: NDArray[np.void]) -> None:
        """Take one record of ``KERNEL_CONFIG_DTYPE``. Raises KernelRefusal; only while no chain runs."""

    def submit(self, channel: int, segments: NDArray[np.void]) -> int:
        """Take a chain; it starts in the next tick. Return its number, as in ``state['chain']`` and the outcomes.

        Raises:
            KernelRefusal: a rule was broken, the channel runs, or a fault is latched; nothing has moved.
            TypeError: not a contiguous array of ``SEGMENT_DTYPE``.
        """

    def cancel(self, channel: int = -1, cause: int = 11) -> None:
        """End the running segment of a channel (-1: of all) with a jerk-limited stop and this cause."""

    def set_payload(self, index: int, payload: NDArray[np.void]) -> None:
        """Replace a payload model (``PAYLOAD_DTYPE``). Raises KernelRefusal; only while the arm's channel is idle."""

    def reset_fault(self) -> None:
        """Clear a latched fault; set-points are taken from measurement. Raises KernelRefusal while its cause lasts."""

    def take_outcome(self) -> NDArray[np.void] | None:
        """Return the oldest outcome not yet taken, a 0-d record of ``OUTCOME_DTYPE``, or None."""

    def restore(self, state: bytes, arm: NDArray[np.void], band_arm: NDArray[np.void]) -> None:
        """Go on from a state that podhand-rt of this very build has saved, ``STATE_BYTES`` long.

        Args:
            state: as it is in a recording; it is trusted.
            arm: segments of the chain that ran then; none when the channel was idle.
            band_arm: the same of the other channel.
        """

    def tick(self) -> None:
        """Run one step on ``inputs`` and ``outputs``."""

    def tick_many(self, inputs: NDArray[np.void]) -> NDArray[np.void]:
        """Run one step per record of ``INPUTS_DTYPE`` and return the outputs."""

    def record_into(self, capacity: int) -> None:
        """Keep inputs and outputs of the next ``capacity`` ticks (0: stop recording); forgets what was kept."""

    def drain_ticks(self) -> bytes:
        """Return what was kept since the last call: per tick one Inputs and one Outputs record."""

    @property
    def recorded(self) -> int:
        """Ticks kept and not yet drained."""

    @property
    def overflow(self) -> int:
        """Ticks lost since ``record_into`` because nobody drained in time."""

    @property
    def busy_s(self) -> float:
        """Wall time spent in ticks so far [s]; the stopwatch's own some 50 ns per tick are counted in."""

    @property
    def inputs(self) -> NDArray[np.void]:
        """0-d view on the kernel's inputs, writable."""

    @property
    def outputs(self) -> NDArray[np.void]:
        """0-d view on the kernel's outputs."""

    @property
    def state(self) -> NDArray[np.void]:
        """0-d view on the state after the last tick, read-only."""

class Chain:
    """Kinematics of the arm as the kernel computes them."""

    def __init__(
        self, config: NDArray[np.void] = ..., *, X_parent_joint: ArrayLike = ..., X_flange_tool: ArrayLike = ...
    ) -> None:
        """From one record of ``KERNEL_CONFIG_DTYPE``, or from packed poses (n, 12) and (12,), n = 6 or 7."""

    @property
    def joints(self) -> int: ...
    def fk(self, q: ArrayLike) -> NDArray[np.float64]:
        """Return X_base_tool (4, 4) for joint positions (n,) [rad]."""

    def jacobian(self, q: ArrayLike) -> NDArray[np.float64]:
        """Return J (6, n): rows v and w of the tool origin in base."""

    def ik(self, q: ArrayLike, twist_base: ArrayLike, damping: float) -> tuple[NDArray[np.float64], float]:
        """Return joint speeds (n,) [rad/s] for a twist (6,) [m/s, rad/s], and the manipulability.

        Raises:
            ValueError: there are no finite joint speeds.
        """

def gravity_wrench(
    R_base_sensor: ArrayLike, mass_kg: float, com_sensor_m: ArrayLike, gravity_base_m_s2: ArrayLike
) -> NDArray[np.float64]:
    """Return the wrench (6,) [N, N m] that gravity exerts on a payload, at the sensor, in its frame."""

def damping_ratio(
    *,
    mass: float,
    damping: float,
    stiffness: float,
    contact_stiffness: float,
    tool_stiffness: float,
    loop_delay_s: float,
    filter_time_constant_s: float,
    tick_s: float,
) -> float:
    """Return the smallest damping ratio of one axis against a contact, negative when unstable; see damping_gate.hpp."""

class LimiterResult:
    """What the last-stage limiter did."""

    PASSED: Final[LimiterResult]
    SCALED: Final[LimiterResult]
    BRAKED: Final[LimiterResult]
    INVALID: Final[LimiterResult]
    NOT_READY: Final[LimiterResult]
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...
    def __int__(self) -> int: ...

class Limiter:
    """The last-stage limiter; see cpp/safety/limiter.hpp."""

    def __init__(self) -> None: ...
    def configure(
        self,
        *,
        min_position: ArrayLike,
        max_position: ArrayLike,
        max_speed: ArrayLike,
        max_acceleration: ArrayLike,
        present: ArrayLike,
        is_speed: ArrayLike,
        max_tool_speed_m_s: float,
        X_parent_joint: ArrayLike,
        X_flange_tool: ArrayLike,
    ) -> None:
        """Take limits, one value per axis (14,), and the chain (n, 12), (12,). Raises ValueError when refused."""

    def seed(self, positions: ArrayLike) -> None:
        """Start from standing set-points (14,); belts: the speed in force."""

    def step(self, desired: ArrayLike, dt_s: float) -> tuple[NDArray[np.float64], LimiterResult]:
        """Return the set-points to send (14,) and the result."""

    def run(
        self, desired: ArrayLike, dt_s: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]:
        """Step through (n, 14) set-points and (n,) times; return outputs, results, scales and limiting axes."""

    @property
    def scale(self) -> float:
        """Smallest share of the wanted step that any group made, 1 when idle."""

    @property
    def limiting_axis(self) -> int:
        """Axis behind ``scale``, 14 for the tool speed, -1 when idle."""

class PlainStep:
    """One admittance step without segments or safety; for benchmarks."""

    def __init__(self, values: dict[str, Any], *, X_parent_joint: ArrayLike, X_flange_tool: ArrayLike) -> None:
        """From the values of bench/plain_step.py and packed poses (6, 12), (12,)."""

    def step(self) -> None:
        """Step once on the bound buffers."""

    @property
    def q(self) -> NDArray[np.float64]: ...
    @property
    def wrench(self) -> NDArray[np.float64]: ...
    @property
    def q_out(self) -> NDArray[np.float64]: ...

class BitGrid:
    """An occupancy image packed once, one bit per pixel, 1 = free."""

    def __init__(self, occupancy: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
        """From (h, w), C-contiguous, nonzero = occupied. Raises PerceptionError."""

    @staticmethod
    def all_occupied(h: int, w: int) -> BitGrid:
        """Return a grid without a free pixel, for instance to receive results."""

    @property
    def shape(self) -> tuple[int, int]: ...
    def count(self) -> int:
        """Return the number of free pixels."""

    def to_array(self) -> NDArray[np.uint8]:
        """Return (h, w), 1 = free."""

    def placements(self, h: int, w: int, *, out: BitGrid | None = None) -> BitGrid:
        """Return the free places of a rectangle as a grid, in ``out`` when given. Raises PerceptionError."""

    def placements_mask(self, mask: Mask, *, out: BitGrid | None = None) -> BitGrid:
        """Return the free places of a mask as a grid, in ``out`` when given. Raises PerceptionError."""

    def best(
        self, cost: NDArray[np.float32], k: int, separation_px: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return up to k free pixels of least cost (n, 2) as (y, x), and their costs (n,). Raises PerceptionError."""

class Mask:
    """A shape of any form, prepared once: covered by rectangles whose sides are powers of two."""

    def __init__(self, shape: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
        """From (h, w), C-contiguous, nonzero = belongs to the shape. Raises PerceptionError."""

    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def rectangles(self) -> list[list[int]]:
        """The cover as (y, x, h, w), largest first; they may overlap."""

    @property
    def kinds(self) -> int:
        """Number of different sizes that the cover is made from, those in between included."""

def depth_planes(depth_m: NDArray[np.float32], need_m: Sequence[float]) -> list[BitGrid]:
    """Return one grid per needed depth, in one pass: free where depth >= need; 0 and NaN are occupied.

    Raises:
        PerceptionError: not float32 (h, w), or a need that is not above 0.
    """

def placements(
    occupancy: NDArray[np.uint8] | NDArray[np.bool_] | BitGrid, h: int, w: int, *, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the places of a rectangle (H - h + 1, W - w + 1), 1 = free, in ``out`` when given.

    Raises:
        PerceptionError: wrong shape or type, or a rectangle below 1 x 1 or larger than the image.
    """

def placements_mask(
    occupancy: NDArray[np.uint8] | NDArray[np.bool_] | BitGrid, mask: Mask, *, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the places of a mask (H - h + 1, W - w + 1), 1 = free, in ``out`` when given. Raises PerceptionError."""

def count_placements(
    occupancy: NDArray[np.uint8] | NDArray[np.bool_] | BitGrid, bins: NDArray[np.int32], sizes: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return how many free places every size has wholly inside every bin; 0 where it is larger than the bin.

    Args:
        occupancy: the whole image, walls of the bins occupied or not.
        bins: (B, 4) as y, x, h, w; they may overlap.
        sizes: (N, 2) as h, w.

    Returns:
        (B, N).

    Raises:
        PerceptionError: wrong shape or type, an empty bin or one that reaches out of the image, a size below 1.
    """

def window_sums(
    values: NDArray[np.float32] | NDArray[np.uint8], h: int, w: int, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the sum over every window: float32 of float32 (double inside), or int32 of uint8 (exact).

    Raises:
        PerceptionError: wrong shape or type, or a window below 1 x 1 or larger than the image.
    """

def window_minima(
    values: NDArray[np.float32], h: int, w: int, *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the least value of every window. Raises PerceptionError, also for NaN."""

def free_space_instruction_sets() -> list[str]:
    """Return the instruction sets that the free-space kernel has for this processor, widest first."""

def free_space_instruction_set() -> str:
    """Return the one in use."""

def use_free_space_instruction_set(name: str) -> None:
    """Use another one, in all threads; for tests. Raises PerceptionError for a name not in the list."""

# ---- podhand-rt -------------------------------------------------------------------------------------------------

class ExchangeError(RuntimeError):
    """podhand-rt cannot be reached, is of another build, has ended, or does not answer."""

class NotOwner(RuntimeError):
    """A command of a client that does not hold the lease. Nothing was done."""

def exchange_hash() -> int:
    """Return a number that changes when anything that is shared with podhand-rt moves."""

def config_block(config: NDArray[np.void]) -> bytes:
    """Return a configuration as podhand-rt reads it from standard input: head with checksum, then the record."""

class Client:
    """Reads what podhand-rt shares, and commands while it holds the lease. Not thread-safe but for ``beat``."""

    def __init__(self, name: str) -> None:
        """Attach. Raises ExchangeError: nothing there, or of another version, layout or build."""

    def take_lease(self) -> bool:
        """Become the one who commands; False when somebody else is."""

    def release_lease(self) -> None:
        """Give the lease back; what moves is cancelled."""

    def take_over(self) -> None:
        """Take the lease from whoever has it: podhand-rt brings his motion to rest, and the cell is disarmed."""

    def beat(self) -> None:
        """Say that this client lives; without the lease nothing is said. Any thread."""

    @property
    def holds_lease(self) -> bool: ...
    @property
    def owner_pid(self) -> int:
        """Who commands; 0 nobody."""

    @property
    def host_pid(self) -> int: ...
    @property
    def host_gone(self) -> bool: ...
    def submit(self, channel: int, segments: NDArray[np.void]) -> tuple[int, int]:
        """As ``Kernel.submit``; return how many ticks had been made, and the chain's number.

        Raises KernelRefusal, NotOwner, ExchangeError.
        """

    def cancel(self, channel: int = -1) -> int:
        """As ``Kernel.cancel``; return how many ticks had been made. Raises as ``submit``."""

    def set_payload(self, index: int, payload: NDArray[np.void]) -> int:
        """As ``Kernel.set_payload``; returns and raises as ``cancel``."""

    def reset_fault(self) -> int:
        """As ``Kernel.reset_fault``, once the fault is acknowledged; the cell is then disarmed. As ``cancel``."""

    def arm(self) -> int:
        """Allow motion; moves nothing. Raises KernelRefusal while a fault is latched; else as ``cancel``."""

    def disarm(self) -> int:
        """Cancel what moves and allow no more; returns and raises as ``cancel``."""

    def acknowledge(self) -> int:
        """Say that a latched fault was seen: only then ``reset_fault`` clears it. Moves nothing. As ``cancel``."""

    def refresh(self) -> bool:
        """Copy the newest state into ``cell``; False before the first tick."""

    def wait_beyond(self, ticks: int, timeout_s: float) -> bool:
        """Wait until more ticks were made, and refresh; False when the time is over. Raises ExchangeError."""

    def take_outcome(self) -> NDArray[np.void] | None:
        """Return the next outcome since attaching."""

    def take_event(self) -> NDArray[np.void] | None:
        """Return the next event since attaching, a 0-d record of ``EVENT_DTYPE``."""

    def drain_ticks(self) -> bytes:
        """Return inputs and outputs of the ticks since the last call."""

    def statistics(self) -> dict[str, tuple[NDArray[np.uint64], int, NDArray[np.void] | None]]:
        """As ``Watcher.statistics``."""

    @property
    def lost_ticks(self) -> int:
        """Ticks that were overwritten before they were drained."""

    @property
    def lost_outcomes(self) -> int: ...
    @property
    def lost_events(self) -> int: ...
    @property
    def cell(self) -> NDArray[np.void]:
        """0-d record of ``CELL_DTYPE``, as of the last refresh; read-only."""

def audit_host(*, root: str, priority: int, cpu: int, nic: str) -> list[tuple[str, str, str, int, str, str]]:
    """Look at the machine as podhand-rt does before it starts.

    Args:
        root: before every path that is read; empty: this machine.
        priority: of the cycle, SCHED_FIFO.
        cpu: where the cycle will run; -1 when it is not said.
        nic: network card with a cyclic bus; empty for none.

    Returns:
        What, wanted, got, verdict (0 ok, 1 warning, 2 fault), why it matters, what changes it.
    """

class Watcher:
    """Reads what podhand-rt shares through memory that is mapped for reading alone."""

    def __init__(self, name: str) -> None:
        """Attach. Raises ExchangeError: nothing there, or of another version, layout or build."""

    def refresh(self) -> bool:
        """Copy the newest state into ``cell``; False before the first tick."""

    def statistics(self) -> dict[str, tuple[NDArray[np.uint64], int, NDArray[np.void] | None]]:
        """Return for ``wake``, ``wait``, ``compute``, ``period``: counts per bucket, sum [ns], record of the worst."""

    @property
    def host_pid(self) -> int: ...
    @property
    def tick_s(self) -> float:
        """Period of its cycle [s]."""

    @property
    def owner_pid(self) -> int:
        """Who commands; 0 nobody."""

    @property
    def host_gone(self) -> bool: ...
    @property
    def cell(self) -> NDArray[np.void]:
        """0-d record of ``CELL_DTYPE``, as of the last refresh; read-only."""

class FlightRecord:
    """Reads the flight recorder of a podhand-rt, dead or alive."""

    def __init__(self, name: str) -> None:
        """Attach to the one of an exchange's name. Raises ExchangeError: none there, or of another build."""

    @property
    def host_pid(self) -> int: ...
    @property
    def host_gone(self) -> bool: ...
    @property
    def tick_s(self) -> float: ...
    @property
    def ticks(self) -> int:
        """Ticks made so far."""

    def faults(self) -> list[str]:
        """Return the faults that were noticed, in words, oldest first."""

    def save(self, path: str, from_ticks: int, why: str) -> tuple[int, int, int, int]:
        """Write a recording of what is there since a tick, or of all that is left.

        Returns:
            Ticks made before its first and after its last, number of commands and outcomes.

        Raises:
            ExchangeError: nothing was recorded yet, or the file cannot be written.
        """

class PlantSide:
    """A plant's end: readings in, set-points out, in turn."""

    def __init__(self, name: str) -> None:
        """Attach. Raises ExchangeError as ``Client``."""

    def exchange(self, timeout_s: float) -> bool:
        """Publish ``inputs`` and wait for the ``outputs`` that answer them; False: not yet, call again.

        Raises ExchangeError when podhand-rt has ended.
        """

    @property
    def inputs(self) -> NDArray[np.void]: ...
    @property
    def outputs(self) -> NDArray[np.void]: ...
