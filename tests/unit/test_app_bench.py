"""The benchmark compares like with like, and its JSON has the promised shape."""

import numpy as np
import pytest

from podhand.app.host_facts import host_facts
from podhand.bench.free_space import item_faces, pod_bins, pod_scene
from podhand.bench.free_space_peers import mask_peers, match_peers, rectangle_peers
from podhand.bench.plain_step import kernel_step, numpy_step, parameters
from podhand.bench.timing import measure, time_calls_ns
from podhand.core.arm_model import UR10E
from podhand.core.tooling import StowTool
from podhand.perception import free_space

Q_RAD = np.array([2.802, -1.275, 2.262, -0.987, 1.232, -1.571])


def test_the_kernels_plain_step_is_the_numpy_step() -> None:
    plain = parameters(UR10E, StowTool().X_flange_tool, Q_RAD)
    theirs, ours = numpy_step(plain), kernel_step(plain)
    q, q_out = Q_RAD.copy(), np.zeros(6)
    own_q, wrench, own_out = ours.q, ours.wrench, ours.q_out
    own_q[:] = Q_RAD
    for force in np.random.default_rng(1).uniform(-8.0, 8.0, (400, 6)):
        theirs(q, force, q_out)
        q[:] = q_out
        wrench[:] = force
        ours.step()
        own_q[:] = own_out
    assert np.abs(q - own_q).max() < 1e-9
    assert np.abs(q - Q_RAD).max() > 0.01


def test_a_measurement_has_percentiles_and_ratios() -> None:
    row = measure("x", lambda: None, {"slow": lambda: sum(range(2000))}, n=200, rounds=2).to_json()
    assert set(row) == {"name", "unit", "p50", "p99", "p999", "n", "ratios"}
    assert row["n"] == 400
    assert row["p50"] <= row["p99"] <= row["p999"]
    assert row["ratios"]["slow"] > 1.0


def test_preparation_is_not_timed() -> None:
    prepared = []
    durations = time_calls_ns(lambda: None, 10, lambda: prepared.append(1))
    assert (len(prepared), durations.shape) == (10, (10,))
    assert np.all(durations > 0)


def test_host_facts_say_what_a_number_was_measured_on() -> None:
    facts = host_facts()
    assert {"cpu", "cores", "kernel", "load", "versions"} <= set(facts)
    assert facts["versions"]["numpy"] == pytest.importorskip("numpy").__version__


def test_a_limit_is_no_peer_but_a_distance() -> None:
    row = measure("x", lambda: sum(range(4000)), {}, n=50, rounds=2, limit=lambda: None, least_calls=5).to_json()
    assert row["ratios"] == {}
    assert row["limit_ratio"] > 1.0


def test_free_space_peers_agree_with_the_kernel() -> None:
    image = pod_scene(200, 320)
    expected = free_space.placements(image, 12, 9)
    for peer, call in rectangle_peers(image, 12, 9).items():
        assert np.array_equal(call(), expected), peer
    mask = np.tri(9, 7, dtype=np.bool_)
    for peer, call in mask_peers(image, mask).items():
        assert np.array_equal(call(), free_space.placements_mask(image, free_space.Mask(mask))), peer
    bins, sizes = pod_bins(200, 320), item_faces()
    for peer, call in match_peers(image, bins, sizes).items():
        assert np.array_equal(call(), free_space.count(image, bins, sizes)), peer


def test_the_pod_scene_has_walls_and_room() -> None:
    image = pod_scene(960, 1280)
    assert 0.3 < image.mean() < 0.4
    assert free_space.placements(image, 60, 40).mean() > 0.05
    assert np.array_equal(image, pod_scene(960, 1280))
