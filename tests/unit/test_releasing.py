"""When a pod goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhand.core.errors import ConfigError
from podhand.planning.releasing import PodRelease

BOUNDS = st.lists(st.floats(0.0, 1.0), max_size=30)


def after(bounds: list[float], rule: PodRelease | None = None) -> PodRelease:
    rule = rule or PodRelease()
    for bound in bounds:
        rule = rule.after(bound)
    return rule


def test_a_pod_goes_when_nothing_fits_well_enough_twice_in_a_row() -> None:
    assert not after([0.99, 0.95]).leaves
    assert after([0.99, 0.95, 0.95]).leaves
    assert not after([0.95, 0.99, 0.95]).leaves
    assert after([0.0], PodRelease(patience=1)).leaves


def test_what_is_on_the_edge_does_not_keep_a_pod_that_is_about_to_go() -> None:
    assert after([0.95, 0.965]).leaves, "0.965 is over the threshold, not over its margin"
    assert not after([0.95, 0.97]).leaves
    assert not after([0.965, 0.965, 0.965]).leaves
    assert not after([0.96]).poor


@given(BOUNDS, BOUNDS)
def test_a_decision_stands(first: list[float], then: list[float]) -> None:
    gone = after(first)
    if gone.leaves:
        assert after(then, gone) == gone


@given(BOUNDS, st.floats(0.5, 0.95), st.integers(1, 5))
def test_it_takes_so_many_in_a_row(bounds: list[float], threshold: float, patience: int) -> None:
    """An independent reading: runs below the threshold, in which only more than the margin counts as well."""
    gone, run = False, 0
    for bound in bounds:
        run = run + 1 if bound < threshold or (run and bound < threshold + 0.01) else 0
        gone |= run >= patience
    assert after(bounds, PodRelease(threshold=threshold, patience=patience)).leaves == gone


def test_it_says_why() -> None:
    assert PodRelease().after(0.99).reason(0.99) == (
        "the pod stays: the best stow is at least 99.0 % sure, 96.0 % are asked for"
    )
    assert "1 more and it goes" in after([0.9]).reason(0.9)
    assert after([0.9, 0.9]).reason(0.9).startswith("the pod goes: the best stow is at least 90.0 % sure")


WRONG = [{"threshold": 1.0}, {"threshold": float("nan")}, {"margin": -0.1}, {"margin": 0.04}, {"patience": 0}]


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_numbers_are_one_clear_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be"):
        PodRelease(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("bound", [-0.1, 1.1, float("nan")])
def test_a_bound_that_is_none_is_refused(bound: float) -> None:
    with pytest.raises(ConfigError, match="best_lower must be within"):
        PodRelease().after(bound)
