"""Both ends of the board's protocol on one virtual clock, with a faulty line between them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from podhand.core.clock import VirtualClock
from podhand.core.ports import Reading
from podhand.drivers.eoat_board.board import Board
from podhand.drivers.eoat_board.link import HostLink, LinkState
from podhand.drivers.eoat_board.plant import SuctionPlant
from podhand.drivers.eoat_board.wire import Wire
from podhand.firmware_iface.eoat_board_messages import (
    PROTOCOL_VERSION,
    SCHEMA_HASH,
    Mode,
    StandDownReason,
    StatusLight,
    Valve,
)

STEP_S = 0.001


@dataclass
class Renewal:
    """A program that renews its command, as a good one does."""

    suction: bool
    life_s: float = 0.25
    every_s: float = 0.05
    next_s: float = 0.0


class Rig:
    def __init__(
        self, *, seed: int = 1, protocol_version: int = PROTOCOL_VERSION, schema_hash: int = SCHEMA_HASH
    ) -> None:
        self.clock = VirtualClock(start_s=1000.0)
        self.plant = SuctionPlant()
        self.board = Board(
            self.plant, now_s=self.now_s, seed=seed, protocol_version=protocol_version, schema_hash=schema_hash
        )
        numbers = random.Random(seed)
        self.link = HostLink(now_s=self.now_s, new_session=lambda: numbers.randint(1, 0xFFFF))
        self.to_board, self.to_host = Wire(seed=seed), Wire(seed=seed + 1)
        self.renewal: Renewal | None = None
        self.host_runs = True
        self.board_runs = True

    @property
    def now_s(self) -> float:
        return self.clock.now_s()

    def valve(self) -> Valve:
        return self.board.valve

    def mode(self) -> Mode:
        return self.board.mode

    @property
    def pressure(self) -> Reading:
        return self.link.vacuum_pressure(self.now_s)

    def step(self) -> None:
        self.clock.advance(STEP_S)
        now_s = self.now_s
        if self.board_runs:
            self.board.receive(self.to_board.receive(now_s), now_s)
            for frame in self.board.poll(now_s):
                self.to_host.send(frame, now_s)
        if self.host_runs:
            self.link.receive(self.to_host.receive(now_s), now_s)
            if self.renewal is not None and now_s >= self.renewal.next_s and not self.link.why_not:
                self.command(self.renewal.suction, life_s=self.renewal.life_s)
                self.renewal.next_s = now_s + self.renewal.every_s
            self.to_board.send(self.link.poll(now_s), now_s)

    def run(self, duration_s: float) -> None:
        for _ in range(round(duration_s / STEP_S)):
            self.step()

    def until(self, condition: Callable[[], bool], *, within_s: float) -> float:
        """Run until the condition holds; return how long that took."""
        start_s = self.now_s
        while not condition():
            assert self.now_s - start_s < within_s, (self.link.state, self.link.why_not, list(self.link.events))
            self.step()
        return self.now_s - start_s

    def ready(self) -> "Rig":
        self.until(lambda: self.link.state is LinkState.READY and self.pressure.valid, within_s=0.5)
        return self

    def holding(self) -> "Rig":
        """Hold an item with a command that is renewed."""
        self.ready()
        self.plant.touch()
        self.renewal = Renewal(suction=True)
        self.until(lambda: self.plant.vacuum_pa > 60e3, within_s=1.0)
        return self

    def command(self, suction: bool, *, life_s: float = 0.25, light: StatusLight = StatusLight.GREEN) -> None:
        self.link.command(suction=suction, life_s=life_s, status_light=light, work_light_percent=50, now_s=self.now_s)

    def stand_down(self, reason: StandDownReason = StandDownReason.FINISHED) -> None:
        self.renewal = None
        self.link.stand_down(self.now_s, reason)

    def acknowledge(self) -> None:
        self.link.acknowledge(self.now_s)
