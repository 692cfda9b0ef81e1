from pathlib import Path

import pytest

from podhand.core.errors import ConfigError
from podhand.core.items import Shape
from podhand.sim.catalogue import DEFAULT_FRICTION, DEFAULT_MAX_SQUEEZE_N, coverage, load_catalogue

HEADER = "sku,length_mm,width_mm,height_mm,mass_kg,shape\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "items.csv"
    path.write_text(text, encoding="utf-8")
    return path


def errors(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_catalogue(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_bundled_catalogue_has_22_products_and_says_why_some_are_refused() -> None:
    entries = load_catalogue()
    assert len(entries) == 22
    reasons = {entry.item.sku: entry.reason for entry in entries}
    assert reasons["crayola_24_ct"] == ""
    assert "rolls" in reasons["rawlings_baseball"]
    assert "rolls" in reasons["scotch_duct_tape"]
    assert "longest side 359 mm" in reasons["creativity_chenille_stems"]
    assert reasons["womens_knit_gloves"] == reasons["cloud_b_plush_bear"] == ""
    assert coverage(entries) == pytest.approx(19 / 22)


def test_sides_are_sorted_and_defaults_apply(tmp_path: Path) -> None:
    (entry,) = load_catalogue(write(tmp_path, HEADER + "book,20,200,130,0.4,box\n"))
    assert entry.item.size_m == (0.2, 0.02, 0.13)
    assert entry.item.shape is Shape.BOX
    assert (entry.item.friction, entry.item.max_squeeze_n) == (DEFAULT_FRICTION, DEFAULT_MAX_SQUEEZE_N)


def test_all_errors_are_listed_with_line_and_column(tmp_path: Path) -> None:
    text = HEADER + "a,100,50,60,-1,box\na,100,50,60,0.2,box\nb,100,fifty,60,0.2,cube\nc,100,50\n"
    assert errors(write(tmp_path, text)) == [
        "2:13 mass_kg - must be within 0.001 … 100 (got -1)",
        "3:1 sku - must be unique, first in line 2 (got 'a')",
        "4:7 width_mm - must be a number (got 'fifty')",
        "4:20 shape - must be one of box, cylinder, sphere, bag, irregular, book (got 'cube')",
        "5:1 line - must have 6 fields, as the header (got 3)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must name the columns"),
        (HEADER, "needs at least one product"),
        ("sku,length_mm,width_mm,height_mm,shape\na,1,1,1,box\n", "column is missing"),
        (HEADER.replace("shape", "shape,colour") + "a,100,50,60,0.2,box,red\n", "must be one of"),
        (HEADER + 'a,100,50,60,0.2,"box\n', "must be valid CSV"),
        (HEADER + "a,nan,50,60,0.2,box\n", "must be within"),
        (HEADER + "a,inf,50,60,0.2,box\n", "must be within"),
        (HEADER + ",100,50,60,0.2,box\n", "must not be empty"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in errors(write(tmp_path, text))[0]


def test_binary_and_absent_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b"sku,length_mm\n\x00\x01\x02")
    assert "binary" in errors(path)[0]
    path.write_bytes(b"sku,\xff\xfe\n")
    assert "UTF-8" in errors(path)[0]
    with pytest.raises(ConfigError, match="cannot read the item catalogue"):
        load_catalogue(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,310,50,60,0.2,box", "longest side"),
        ("x,250,150,160,0.2,box", "shortest side 150 mm is over"),
        ("x,100,10,60,0.2,box", "shortest side 10 mm is under"),
        ("x,250,50,210,0.2,box", "middle side"),
        ("x,250,50,100,3.7,box", "mass"),
        ("x,80,70,70,0.2,cylinder", "rolls"),
        ("x,120,30,60,0.2,cylinder", "not round"),
        ("x,120,60,60,0.2,cylinder", ""),
        ("x,70,70,70,0.2,sphere", "rolls"),
        ("x,360,30,90,0.1,bag", "longest side"),
        ("x,250,40,180,3.0,bag", ""),
        ("x,160,60,120,0.2,irregular", ""),
        ("x,250,30,180,0.9,book", ""),
        ("x,250,12,180,0.3,book", "shortest side 12 mm is under"),
    ],
)
def test_eligibility(tmp_path: Path, row: str, reason: str) -> None:
    (entry,) = load_catalogue(write(tmp_path, HEADER + row + "\n"))
    assert entry.eligible == (reason == "")
    assert reason in entry.reason
