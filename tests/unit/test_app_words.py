"""Stories: every kind of ending reads well and says what matters."""

import pytest

from podhand.app.results import Campaign, EpisodeResult, Step, StowOutcome
from podhand.app.words import campaign_lines, headline, product, story, way
from podhand.planning.stow import StowKind


def episode(**changes: object) -> EpisodeResult:
    values: dict[str, object] = {"index": 0, "seed": 0, "item": "hand_soap", "bin": "C2", "accepted": True}
    return EpisodeResult(**(values | changes))  # type: ignore[arg-type]


SWEEP = Step(name="sweep", begin_s=1.0, end_s=2.0, peak_filtered_force_n=11.44, force_limit_n=20.0)


def test_a_sweep_tells_room_and_force() -> None:
    text = story(
        episode(
            outcome=StowOutcome.SUCCESS, sweep_needed=True, plan_params={"sweep_distance_m": 0.038}, steps=(SWEEP,),
            peak_filtered_force_n=11.44, cycle_s=9.31,
        )
    )  # fmt: skip
    assert text == (
        "Made 38 mm of room with the blade (peak 11.4 N of 20 N) and slid it in. "
        "The tool never pushed harder than 11.4 N; 9.3 s in all."
    )


def test_straight_in() -> None:
    text = story(episode(outcome=StowOutcome.SUCCESS, plan_params={"predicted_clearance_m": 0.012}))
    assert text.startswith("Found a gap with 12 mm to spare on each side and slid it straight in.")


@pytest.mark.parametrize("kind", list(StowKind))
def test_every_way_to_find_room_has_words_of_its_own(kind: StowKind) -> None:
    def told(of: StowKind, outcome: StowOutcome) -> str:
        return story(episode(outcome=outcome, plan_params={"way": of.value}, sweep_needed=of is StowKind.SWEEP))

    others = [other for other in StowKind if other is not kind]
    for outcome in (StowOutcome.SUCCESS, StowOutcome.UNPRODUCTIVE):
        assert told(kind, outcome) not in {told(other, outcome) for other in others}
    assert way(episode(plan_params={"way": kind.value})) not in {way(episode(plan_params={"way": o})) for o in others}


def test_refusals_and_failures_give_their_reason() -> None:
    refused = episode(accepted=False, refusal_reason="the gaps together are 31 mm, it needs 58 mm")
    assert story(refused) == "Left it at the infeed, untouched: the gaps together are 31 mm, it needs 58 mm."
    failed = episode(outcome=StowOutcome.UNPRODUCTIVE, cause="space not made", plan=("sweep", "return_item"))
    assert "It did not work out: space not made. The product went back to the infeed, whole." in story(failed)
    assert "This is a defect: a neighbour fell out." in story(
        episode(outcome=StowOutcome.DEFECT, cause="a neighbour fell out")
    )


def test_headlines() -> None:
    assert headline(episode(outcome=StowOutcome.SUCCESS)) == "hand soap → bin C2: stowed"
    assert headline(episode(accepted=False)) == "hand soap → bin C2: left at the infeed"
    assert headline(episode(outcome=StowOutcome.UNPRODUCTIVE)) == "hand soap → bin C2: handed back"
    assert product("a-b_c") == "a b c"


def test_closing_lines_name_violations_and_causes() -> None:
    campaign = Campaign(
        station="s", seed=1, coverage=(1, 1), wall_s=1.0, tick_s=0.001, world="standard-1",
        episodes=(
            episode(outcome=StowOutcome.SUCCESS, cycle_s=12.0, peak_filtered_force_n=9.0),
            episode(index=1, outcome=StowOutcome.DEFECT, cycle_s=12.0, cause="over-force", max_force_ratio=1.2),
        ),
    )  # fmt: skip
    lines = campaign_lines(campaign)
    assert lines[0] == "1 of 2 products are in the pod, at a pace of 300 an hour."
    assert "exceeded in 1 stows" in lines[1]
    assert lines[-1] == "1 ×: over-force"
