"""Matching of waiting items with the bins of a pod, given what was seen of the bins."""

import time

import numpy as np

from podhand.bench.timing import Measurement, measure
from podhand.core.items import Item, Shape
from podhand.core.tooling import Pod, StowTool
from podhand.perception.profiles import LEVEL_STEP_M, BinProfile
from podhand.perception.supports import Support
from podhand.planning.matching import Matcher, PodProfile
from podhand.planning.success import SuccessModel

ITEMS = 12
COLUMN_M = 0.001
_CALLS = 30
_SHAPES = (Shape.BOX, Shape.BOX, Shape.CYLINDER, Shape.BAG, Shape.IRREGULAR)


def drawn_pod(seed: int = 3) -> PodProfile:
    """Draw the 40 bins of a pod, from almost empty to full: upright blocks, some tops that carry things."""
    random, pod = np.random.default_rng(seed), Pod()
    names = [pod.bin_name(row, column) for row in range(pod.rows) for column in range(pod.columns)]
    return PodProfile(bins=tuple(_drawn_bin(name, pod.bin_size_m, random) for name in names))


def drawn_items(count: int = ITEMS, seed: int = 7) -> list[Item]:
    """Draw items of usual sizes."""
    random = np.random.default_rng(seed)
    return [
        Item(
            sku=f"item {i}", length_m=random.uniform(0.10, 0.21), width_m=random.uniform(0.025, 0.080),
            height_m=random.uniform(0.04, 0.13), mass_kg=random.uniform(0.05, 1.2), shape=_SHAPES[i % len(_SHAPES)],
            friction=0.45, max_squeeze_n=40.0,
        )
        for i in range(count)
    ]  # fmt: skip


def _drawn_bin(name: str, size_m: tuple[float, float, float], random: np.random.Generator) -> BinProfile:
    depth, width, height = size_m
    levels, columns = round(height / LEVEL_STEP_M), round(width / COLUMN_M)
    front, block = np.full((levels, columns), depth), np.zeros((columns, 4))
    tops = []
    first, loose = 0, random.uniform(5.0, 60.0)
    while (first := first + int(random.exponential(loose))) < columns - 20:
        last = min(first + int(random.integers(20, 70)), columns)
        begin, length, top = random.uniform(0.0, 0.04), random.uniform(0.10, 0.25), random.uniform(0.06, 0.24)
        front[: int(top / LEVEL_STEP_M) + 1, first:last] = begin
        block[first:last] = (begin, begin + length, top, COLUMN_M * length * top)
        y_m = ((first + last) / 2 - columns / 2) * COLUMN_M
        tops.append(
            Support(
                y_m=y_m, top_z_m=top, clearance_m=0.02, carried_share=1.0, middle_carried=True, slope_rad=0.0,
                uneven_m=0.001, width_m=(last - first) * COLUMN_M, front_x_m=begin, depth_m=length,
            )
        )  # fmt: skip
        first = last
    return BinProfile(name=name, size_m=size_m, front_m=front, seen=np.ones(front.shape), block=block, tops=tuple(tops))


def bench_matching(rounds: int, model: SuccessModel | None) -> list[Measurement]:
    """Measure a whole decision in thread CPU time: by the rules, and by a success model when there is one."""
    pod, items = drawn_pod(), drawn_items()
    rows = {"match_12x40_rules": Matcher(tool=StowTool(), force_limit_n=20.0)}
    if model:
        rows["match_12x40_model"] = Matcher(tool=StowTool(), force_limit_n=20.0, model=model)
    return [_measured(name, matcher, items, pod, rounds) for name, matcher in rows.items()]


def _measured(name: str, matcher: Matcher, items: list[Item], pod: PodProfile, rounds: int) -> Measurement:
    matcher.match(items, pod)  # compiles, and stacks the bins
    return measure(name, lambda: matcher.match(items, pod), {}, n=_CALLS, rounds=rounds, clock=time.thread_time_ns)
