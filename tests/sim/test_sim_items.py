"""Items of every shape: at rest, in the paddles, weighed, and stowed into an empty bin; and how they are judged."""

from dataclasses import replace

import numpy as np
import pytest

from podhand.app import episode
from podhand.app.episode import Episode, EpisodeJob, run_episode
from podhand.app.wiring import build_workcell
from podhand.core.items import Item, Shape, Softness
from podhand.core.poses import FloatArray, pose, rotation_rpy
from podhand.core.station import Station, load_station
from podhand.primitives import receiving
from podhand.primitives.cell import StowCell
from podhand.primitives.receiving import needed_grip_n
from podhand.sim.catalogue import load_catalogue
from podhand.sim.item_bodies import ItemForm, com_off_m, spine_joints
from podhand.sim.scene_items import presented_form
from podhand.sim.scoring import StowOutcome, StowScore, score
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import ContentItem, World
from tests.sim.sim_rig import Rig

PRODUCTS = {entry.item.sku: entry.item for name in (None, "hard") for entry in load_catalogue(name)}
ONE_OF_EACH = ("womens_knit_gloves", "cloud_b_plush_bear", "hardcover_novel", "dasani_water_bottle", "crayola_24_ct")


class Stow:
    """A direct stow of one item into an empty bin, with what the simulation knows of it."""

    def __init__(self, patch: pytest.MonkeyPatch, item: Item, seed: int) -> None:
        self.world = World.scene(item, (), seed=seed)
        self.verdict: StowScore | None = None
        self.events: dict[str, str] = {}
        patch.setattr(episode, "draw_world", lambda *_, **__: self.world)
        self.episode: Episode = run_episode(
            EpisodeJob(station="sim-stow", items=None, seed=0, index=seed),
            note=lambda event, fields: (
                self.events.update({str(fields["name"]): str(fields["words"])}) if event == "primitive" else None
            ),
        )

    @property
    def weighed_kg(self) -> float:
        """What the station found in hand."""
        words = self.events["receive_item"]
        return float(words.split(": ")[1].split(" kg")[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sku", ONE_OF_EACH)
def test_every_shape_is_taken_weighed_and_stowed(sku: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stow = Stow(monkeypatch, PRODUCTS[sku], seed)
    result = stow.episode.result
    assert result.outcome.value == "success", result.cause or result.refusal_reason
    assert stow.weighed_kg == pytest.approx(stow.world.item_mass_kg, abs=0.03, rel=0.03)
    verdict = stow.episode.score
    assert verdict is not None
    assert verdict.peak_squeeze_n < PRODUCTS[sku].max_squeeze_n


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("sku", ["hammer_head_kit", "toy_dinosaur"])
def test_mass_off_the_middle_is_found_in_hand(sku: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cells: list[SimWorkcell] = []
    off_m: list[FloatArray] = []
    take = receiving.take_payload

    def built(station: Station, world: World) -> SimWorkcell:
        cells.append(build_workcell(station, world))
        return cells[-1]

    def taken(cell: StowCell, mass_kg: float, com_tool_m: FloatArray) -> None:
        data = cells[-1].plant.data
        tool = data.body("tool")
        off_m.append(com_tool_m - tool.xmat.reshape(3, 3).T @ (data.body("item").xipos - tool.xpos))
        take(cell, mass_kg, com_tool_m)

    monkeypatch.setattr(episode, "build_workcell", built)
    monkeypatch.setattr(receiving, "take_payload", taken)
    stow = Stow(monkeypatch, PRODUCTS[sku], seed)
    assert stow.weighed_kg == pytest.approx(stow.world.item_mass_kg, abs=0.03, rel=0.03)
    # Along z, the way of gravity, the sensor cannot tell; the middle of the item is taken.
    assert np.abs(off_m[0][:2]).max() < 0.012


@pytest.mark.parametrize("seed", range(8))
def test_a_bottle_waits_on_the_rails_and_is_taken(seed: int) -> None:
    rig = Rig(SimWorkcell(World.scene(PRODUCTS["dasani_water_bottle"], (), seed=seed)))
    rig.wait(3000)
    start = rig.workcell.truth().item
    assert np.linalg.norm(start.X_bin_item[:3, 3] - start.X_bin_start[:3, 3]) < 1e-3
    rig.grip()
    rig.wait(50)
    assert rig.workcell.plant.holds_item()
    assert rig.workcell.truth().item.low_bin_m[2] - start.low_bin_m[2] > 0.11


def test_a_bag_gets_thinner_when_squeezed_and_keeps_its_limit() -> None:
    bag = PRODUCTS["womens_knit_gloves"]
    rig = Rig(SimWorkcell(World.scene(bag, (), seed=1)))
    before = rig.workcell.truth().item
    rig.grip()  # about 20 N
    item = rig.workcell.truth().item
    thickness = [float(b.high_bin_m[1] - b.low_bin_m[1]) for b in (before, item)]
    assert thickness[1] < 0.85 * thickness[0]
    assert rig.workcell.plant.holds_item()
    assert 18.0 < rig.workcell.truth().peak_squeeze_n < bag.max_squeeze_n


def test_the_paddles_force_follows_softness_weight_and_what_the_item_bears() -> None:
    station = load_station("sim-stow")

    class Cell:
        """Only what the choice looks at."""

        def __init__(self) -> None:
            self.station = station

    def grip_n(item: Item) -> float:
        return needed_grip_n(Cell(), item)  # type: ignore[arg-type]

    box = PRODUCTS["crayola_24_ct"]
    soft, uneven = replace(box, shape=Shape.BAG), replace(box, shape=Shape.IRREGULAR)
    assert [i.softness for i in (box, uneven, soft)] == [Softness.FIRM, Softness.UNEVEN, Softness.SOFT]
    assert grip_n(soft) < grip_n(uneven) < grip_n(box)
    assert grip_n(replace(box, mass_kg=2.0)) > 2 * grip_n(box)
    assert grip_n(replace(box, mass_kg=2.0, max_squeeze_n=10.0)) < 10.0
    for item in PRODUCTS.values():
        assert station.forces.grip_min_n <= grip_n(item) <= min(station.forces.grip_max_n, item.max_squeeze_n)


def standing(shape: Shape, size_m: tuple[float, float, float], x_m: float = 0.15, y_m: float = 0.0) -> ContentItem:
    return ContentItem(name="it", shape=shape, size_m=size_m, X_bin_item=pose(None, (x_m, y_m, size_m[2] / 2 + 2e-4)),
                       mass_kg=0.4, friction=0.5, form_seed=3)  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "size_m"),
    [
        (Shape.BOX, (0.15, 0.05, 0.10)),
        (Shape.CYLINDER, (0.06, 0.06, 0.15)),
        (Shape.SPHERE, (0.07, 0.07, 0.07)),
        (Shape.BAG, (0.20, 0.05, 0.12)),
        (Shape.IRREGULAR, (0.16, 0.06, 0.12)),
        (Shape.BOOK, (0.20, 0.03, 0.14)),
    ],
)
def test_every_shape_rests_where_it_is_put_within_its_box(shape: Shape, size_m: tuple[float, float, float]) -> None:
    content = standing(shape, size_m)
    rig = Rig(SimWorkcell(World.scene(PRODUCTS["crayola_24_ct"], [content], seed=2)))
    rig.wait(500)
    (body,) = rig.workcell.truth().contents
    assert np.linalg.norm(body.X_bin_item[:3, 3] - content.X_bin_item[:3, 3]) < 0.001
    # The ends of a bag come down to the floor, which makes it a little longer.
    assert body.high_bin_m - body.low_bin_m == pytest.approx(size_m, abs=0.004)
    assert score(rig.workcell).neighbours_out == ()


def test_an_opened_book_is_a_defect() -> None:
    content = standing(Shape.BOOK, (0.20, 0.03, 0.14))
    rig = Rig(SimWorkcell(World.scene(PRODUCTS["crayola_24_ct"], [content], seed=2)))
    assert score(rig.workcell).outcome is StowOutcome.UNPRODUCTIVE
    for joint in spine_joints("it"):
        rig.workcell.plant.data.joint(joint).qpos[:] = 0.3
    rig.wait(2)
    result = score(rig.workcell)
    assert (result.outcome, result.cause) == (StowOutcome.DEFECT, "opened: it")


def test_a_bag_whose_end_hangs_out_protrudes() -> None:
    inside = standing(Shape.BAG, (0.20, 0.05, 0.10), x_m=0.115)
    rig = Rig(SimWorkcell(World.scene(PRODUCTS["crayola_24_ct"], [inside], seed=2)))
    assert score(rig.workcell).neighbours_out == ()
    data = rig.workcell.plant.data
    data.joint("it").qpos[0] -= 0.045  # its middle is still well inside
    rig.wait(2)
    assert rig.workcell.truth().contents[0].X_bin_item[0, 3] > 0.06
    assert score(rig.workcell).neighbours_out == ("it",)


def test_a_lying_box_has_round_lower_edges() -> None:
    lying = ContentItem(name="it", shape=Shape.BOX, size_m=(0.18, 0.10, 0.04), mass_kg=0.4, friction=0.5,
                        X_bin_item=pose(rotation_rpy(0, 0, 0.02), (0.12, 0.0, 0.0202)),
                        edge_radius_m=0.004)  # fmt: skip
    rig = Rig(SimWorkcell(World.scene(PRODUCTS["crayola_24_ct"], [lying], seed=2)))
    rig.wait(300)
    (body,) = rig.workcell.truth().contents
    assert body.high_bin_m[2] == pytest.approx(0.04, abs=3e-4)
    assert np.linalg.norm(body.X_bin_item[:2, 3] - lying.X_bin_item[:2, 3]) < 2e-4


def test_irregular_items_differ_by_seed_and_have_their_mass_off_the_middle() -> None:
    item = PRODUCTS["toy_dinosaur"]
    offs = [com_off_m(presented_form(World.scene(item, (), seed=seed))) for seed in range(20)]
    assert np.std([off[0] for off in offs]) > 0.01
    form = ItemForm(name="it", shape=Shape.IRREGULAR, size_m=item.size_m, mass_kg=1.0, friction=0.5, rgba="1 1 1 1")
    model = SimWorkcell(World.scene(item, [standing(Shape.IRREGULAR, item.size_m)], seed=0)).plant.model
    assert model.body("it").ipos == pytest.approx(com_off_m(replace(form, form_seed=3)))
    assert model.body("it").mass[0] == pytest.approx(0.4)


def test_same_seed_and_commands_move_jointed_items_alike() -> None:
    def run() -> bytes:
        contents = [standing(Shape.BAG, (0.20, 0.05, 0.10), y_m=0.08)]
        rig = Rig(SimWorkcell(World.scene(PRODUCTS["hardcover_novel"], contents, seed=4)))
        rig.grip()
        return bytes(rig.workcell.plant.data.qpos.tobytes())

    assert run() == run()
