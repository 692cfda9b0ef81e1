"""The report is one file: pictures inside, nothing fetched, every product told; the plots are real pictures."""

import re
from html.parser import HTMLParser

import numpy as np

from podhand.app.plots import BinPicture, ForceTrace, bin_pictures, depth_picture, force_plot, image_png
from podhand.app.report import Picture, render_report
from podhand.app.results import Campaign, EpisodeResult, Step, StowOutcome

PNG = b"\x89PNG\r\n\x1a\n"
STEPS = (
    Step(name="approach", begin_s=0.0, end_s=1.0, words="reached <its> goal", peak_filtered_force_n=2.0),
    Step(name="open_bands", begin_s=0.0, end_s=0.8, channel=1),
    Step(name="sweep", begin_s=1.0, end_s=2.0, peak_filtered_force_n=11.0, force_limit_n=20.0, succeeded=False),
)


def campaign() -> Campaign:
    done = EpisodeResult(
        index=0, seed=1, item="glue & sticks", bin="A1", accepted=True, outcome=StowOutcome.SUCCESS, cycle_s=9.0,
        ticks=9000, steps=STEPS,
    )  # fmt: skip
    refused = EpisodeResult(index=1, seed=2, item="soap", bin="B2", accepted=False, refusal_reason="gap < need")
    return Campaign(
        station="sim-stow", seed=1, episodes=(done, refused), coverage=(1, 2), wall_s=2.0, tick_s=0.001, world="w-1"
    )


class Checker(HTMLParser):
    """Collects addresses and checks that tags close in order."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_self_contained_well_formed_and_escaped() -> None:
    picture = Picture(name="x", caption="a <caption>", png=PNG, wide=True)
    text = render_report(campaign(), {0: [picture]}, {0: {"steps": ["<b>"]}})
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in checker.addresses)
    assert "http" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text)
    for part in ("glue &amp; sticks", "a &lt;caption&gt;", "gap &lt; need", "reached &lt;its&gt; goal", "&lt;b&gt;"):
        assert part in text
    assert text.count('<section class="product"') == 2
    times = text[text.index("Time per primitive") :]
    # The arm's two primitives fill 2 s of a cycle of 9 s; the band arm's ran beside them.
    assert "<td>approach</td><td>1</td><td>1.00 s</td><td>1.00 s</td><td>11.1 %</td>" in times
    assert "<td>open_bands</td><td>1</td><td>0.80 s</td><td>0.80 s</td><td>0.0 %</td>" in times


def test_plots_are_pictures() -> None:
    t = np.linspace(0.0, 2.0, 200)
    limit = np.where(t < 1.0, np.inf, 20.0)
    trace = ForceTrace(time_s=t, filtered_n=5.0 * t, raw_n=6.0 * t, limit_n=limit)
    assert force_plot(trace, STEPS).startswith(PNG)
    nothing = ForceTrace(time_s=t[:1], filtered_n=t[:1], raw_n=t[:1], limit_n=np.array([np.inf]))
    assert force_plot(nothing, ()).startswith(PNG)
    depth = np.tile(np.linspace(0.3, 1.0, 32, dtype=np.float32), (24, 1))
    assert depth_picture([("left", depth), ("right", np.zeros_like(depth))]).startswith(PNG)
    voxels = np.zeros((20, 15, 14), np.uint8)
    voxels[5:10, 2:5, :6], voxels[:, -1, :] = 1, 2
    before = BinPicture(
        voxels=voxels, voxel_m=0.02, size_m=(0.4, 0.3, 0.28), title="before", placement_min_m=(0.0, 0.0, 0.0),
        placement_max_m=(0.2, 0.05, 0.1), blade_y_m=0.02, blade_depth_m=0.25, sweep_m=-0.04,
    )  # fmt: skip
    assert bin_pictures([before]).startswith(PNG)
    assert image_png(np.zeros((4, 5, 3), np.uint8)).startswith(PNG)
