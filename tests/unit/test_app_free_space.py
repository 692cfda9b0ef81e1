"""``podhand free-space`` and ``podhand scene``: JSON and picture of a scene, and one clear error for each bad input."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from podhand.app.cli import app
from podhand.app.shell import ExitCode
from tests.unit.synthetic_bin import SIZE_M, make_scene, standing
from tests.unit.test_app_bad_input import is_one_error

ITEM = ("--item", "0.12x0.04x0.035")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def arrays() -> dict[str, Any]:
    scene = make_scene([standing(y_low_m=-0.05, width_m=0.06, depth_m=0.2, height_m=0.15)], 1, errors=0.0)
    return {
        "depth_m": np.stack([frame.depth_m for frame in scene.frames]),
        "K": scene.frames[0].K,
        "X_world_camera": np.stack([frame.X_world_camera for frame in scene.frames]),
        "X_world_bin": scene.X_world_bin,
        "bin_size_m": np.array(SIZE_M),
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_and_picture(folder: Path) -> None:
    np.savez("bin.npz", **arrays())
    result = run("free-space", "bin.npz", *ITEM, "--json", "-", "--png", "new/bin.png")
    assert result.exit_code == ExitCode.DONE, result.stderr
    answer = json.loads(result.stdout)
    assert answer["schema"] == "podhand-free-space-1"
    assert answer["fits"] is True
    assert answer["reason"]
    assert {"min_m", "max_m"} == set(answer["free_boxes"][0])
    place = answer["placements"][0]
    assert {"X_bin_item", "size_m", "clearance_m", "score"} == set(place)
    assert sorted(place["size_m"]) == pytest.approx([0.035, 0.04, 0.12])
    X = np.array(place["X_bin_item"])
    assert np.array_equal(X[:3, :3], np.eye(3))
    low, high = X[:3, 3] - np.array(place["size_m"]) / 2, X[:3, 3] + np.array(place["size_m"]) / 2
    assert (low >= [-1e-9, -0.15, -1e-9]).all()
    assert (high <= [0.4, 0.15, 0.28]).all()
    assert sum(answer["shares"].values()) == pytest.approx(1.0)
    assert (folder / "new/bin.png").read_bytes().startswith(b"\x89PNG")
    assert "Fits." in result.stderr


def test_an_answer_no_is_a_job_done(folder: Path) -> None:
    np.savez("bin.npz", **arrays())
    result = run("free-space", "bin.npz", "--item", "0.38x0.27x0.2", "--json", "answer.json")
    assert result.exit_code == ExitCode.DONE, result.stderr
    answer = json.loads(Path("answer.json").read_text())
    assert answer["fits"] is False
    assert answer["placements"] == []
    assert "too " in answer["reason"]


def test_nan_and_zero_are_unknown_and_k_may_be_one_per_view(folder: Path) -> None:
    given = arrays()
    np.savez("zero.npz", **given)
    with_nan = given | {
        "depth_m": np.where(given["depth_m"] == 0.0, np.nan, given["depth_m"]),
        "K": np.stack([given["K"]] * 3),
    }
    np.savez("nan.npz", **with_nan)
    answers = [json.loads(run("free-space", name, *ITEM, "--json", "-").stdout) for name in ("zero.npz", "nan.npz")]
    for answer in answers:
        del answer["think_s"]
    assert answers[0] == answers[1]


Change = Callable[[dict[str, Any]], dict[str, Any]]


def but(**changed: Any) -> Change:
    return lambda given: given | changed


def without(*keys: str) -> Change:
    return lambda given: {key: value for key, value in given.items() if key not in keys}


def skewed(given: dict[str, Any]) -> dict[str, Any]:
    X = given["X_world_camera"].copy()
    X[1, :3, :3] *= 1.01
    return given | {"X_world_camera": X}


def dark(given: dict[str, Any]) -> dict[str, Any]:
    depth = given["depth_m"].copy()
    depth[2] = np.nan
    return given | {"depth_m": depth}


def elsewhere(given: dict[str, Any]) -> dict[str, Any]:
    X = given["X_world_bin"].copy()
    X[:3, 3] += (0.0, 30.0, 0.0)
    return given | {"X_world_bin": X}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("K", "bin_size_m"), "lacks K, bin_size_m"),
        (but(depth_m=np.zeros((240, 320), np.float32)), "depth_m must be images (n, h, w)"),
        (but(depth_m=np.zeros((0, 240, 320), np.float32)), "depth_m must be images (n, h, w)"),
        (but(depth_m=np.full((3, 240, 320), 700, np.uint16)), "depth_m must be floating-point numbers"),
        (but(depth_m=np.full((3, 240, 320), 700.0)), "depth must be within"),
        (but(depth_m=np.full((3, 240, 320), np.inf)), "not finite"),
        (but(depth_m=np.full((3, 240, 320), "near")), "depth_m must be floating-point numbers"),
        (but(depth_m=np.array([None, 1.0])), "cannot be read as an npz archive of plain arrays"),
        (but(K=np.eye(4)), "K must be (3, 3) or, for 3 views, (3, 3, 3)"),
        (but(K=np.zeros((3, 3))), "focal lengths"),
        (but(X_world_camera=np.eye(4)), "X_world_camera must be (3, 4, 4)"),
        (skewed, "view 1: X_world_camera must be rigid"),
        (but(X_world_bin=np.diag([1.0, 1.0, -1.0, 1.0])), "X_world_bin must be rigid"),
        (but(X_world_bin=np.zeros((3, 4))), "X_world_bin must be (4, 4)"),
        (but(bin_size_m=np.array([0.4, 0.0, 0.28])), "bin_size_m must be within"),
        (but(bin_size_m=np.array([0.4, 0.3])), "bin_size_m must be (3,)"),
        (dark, "view 2: not one of its 76800 depth pixels is known"),
        (elsewhere, "no frame shows the inside of the bin"),
        (but(colour=np.zeros((3, 2, 2, 3), np.uint8)), "colour must be uint8"),
    ],
    ids=["missing keys", "one image", "no image", "integers", "millimetres", "infinite", "text", "objects", "K shape",
         "K zero", "poses shape", "skewed", "mirrored bin", "bin pose shape", "zero size", "size shape", "dark view",
         "bin elsewhere", "colour"],
)  # fmt: skip
def test_a_scene_that_cannot_be_used(change: Change, words: str, folder: Path) -> None:
    np.savez("bin.npz", **change(arrays()))
    is_one_error(
        run("free-space", "bin.npz", *ITEM, "--json", "-"),
        ExitCode.BAD_INPUT,
        "bin.npz" if "bin" not in words else "",
        words,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"depth", "cannot be read as an npz archive"), (b"", "cannot be read"), (b"PK\x03\x04broken", "cannot be read")],
    ids=["text", "empty", "broken zip"],
)
def test_a_file_that_is_no_scene(content: bytes, words: str, folder: Path) -> None:
    Path("bin.npz").write_bytes(content)
    is_one_error(run("free-space", "bin.npz", *ITEM), ExitCode.BAD_INPUT, "bin.npz", words)


def test_other_files(folder: Path) -> None:
    is_one_error(run("free-space", "gone.npz", *ITEM), ExitCode.BAD_INPUT, "gone.npz: there is no such file")
    np.save("one.npy", np.zeros(3))
    is_one_error(run("free-space", "one.npy", *ITEM), ExitCode.BAD_INPUT, "holds one array")
    np.savez_compressed("cut.npz", **arrays())
    whole = Path("cut.npz").read_bytes()
    Path("cut.npz").write_bytes(whole[: len(whole) // 2])
    is_one_error(run("free-space", "cut.npz", *ITEM), ExitCode.BAD_INPUT, "cut.npz")
    np.savez("bin.npz", **arrays())
    is_one_error(run("free-space", "bin.npz", *ITEM, "--png", "."), ExitCode.BAD_INPUT, "--png .: is a folder")
    is_one_error(run("free-space", "bin.npz", *ITEM, "--json", "."), ExitCode.BAD_INPUT, "--json .: is a folder")


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("0.1x0.1", "must be three sides in m"),
        ("axbxc", "must be three sides in m"),
        ("0x0.1x0.1", "above 0"),
        ("-0.1x0.1x0.1", "above 0"),
        ("nanx0.1x0.1", "above 0"),
        ("120x40x35", "in m, not in mm"),
        ("0.5x0.2x0.1", "500 × 200 × 100 mm is larger than the bin (400 × 300 × 280 mm)"),
    ],
)
def test_an_item_that_is_none_or_larger_than_the_bin(item: str, words: str, folder: Path) -> None:
    np.savez("bin.npz", **arrays())
    is_one_error(run("free-space", "bin.npz", f"--item={item}"), ExitCode.BAD_INPUT, words)


def test_folders_that_hold_no_frames(folder: Path) -> None:
    is_one_error(run("scene", "from-folder", ".", "bin.npz"), ExitCode.BAD_INPUT, "must hold cam.info.txt")
    Path("cam.info.txt").write_text("# Color camera intrinsic matrix\n1 2\n3 4\n")
    Path("frame-000000.depth.png").write_bytes(b"no png")
    is_one_error(run("scene", "from-folder", ".", "bin.npz"), ExitCode.BAD_INPUT, "'Color camera intrinsic' must have")
    Path("cam.info.txt").write_text("# Color camera intrinsic matrix\n1 two\n")
    is_one_error(run("scene", "from-folder", ".", "bin.npz"), ExitCode.BAD_INPUT, "cam.info.txt")
