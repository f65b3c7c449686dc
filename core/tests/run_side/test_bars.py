"""tqdm's bars: progress, and one line of each; everything else as it was written."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run.bars import Bars


def taken(*pieces: str) -> tuple[str, list[dict[str, Any]]]:
    said: list[dict[str, Any]] = []
    bars = Bars(said.append)
    return "".join([*map(bars.feed, pieces), bars.flush()]), said


def drawn(**options: Any) -> str:
    """What a bar of a hundred writes, drawn at each."""
    tqdm = pytest.importorskip("tqdm").tqdm
    written = io.StringIO()
    for _ in tqdm(range(100), file=written, mininterval=0, miniters=1, **options):
        pass
    return written.getvalue()


def test_of_a_real_bar_one_line_is_left() -> None:
    text = drawn(desc="epoch", unit="row")
    assert text.count("\r") > 100
    kept, said = taken(text)
    assert kept.startswith("epoch: 100%|")
    assert kept.count("\n") == 1
    assert "\r" not in kept
    assert said[0] == {"done": 0, "total": 100, "unit": "row", "text": "epoch"}
    last = said[-1]
    assert {**last, "rate": 0} == {"done": 100, "total": 100, "unit": "row", "text": "epoch", "rate": 0}
    assert last["rate"] > 0
    assert len(said) <= 12


def test_a_bar_that_takes_itself_away_leaves_nothing_but_its_progress() -> None:
    kept, said = taken("before\n" + drawn(leave=False) + "behind\n")
    assert kept == "before\nbehind\n"
    assert said[-1]["done"] == 100


def test_of_bars_within_bars_the_outer_one_counts() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    written = io.StringIO()
    options = {"file": written, "mininterval": 0, "miniters": 1}
    for _ in tqdm(range(3), desc="outer", **options):
        for _ in tqdm(range(50), desc="inner", leave=False, **options):
            pass
    kept, said = taken(written.getvalue())
    assert kept.startswith("outer: 100%|")
    assert kept.count("\n") == 1
    assert {each["text"] for each in said} == {"outer"}


def test_however_it_is_cut_the_same_is_kept() -> None:
    text = "begin\n" + drawn(desc="epoch") + drawn(leave=False) + "middle\n" + drawn(unit_scale=True) + "end\n"
    whole, _ = taken(text)
    for size in (1_000, 200, 90):
        assert taken(*(text[at : at + size] for at in range(0, len(text), size)))[0] == whole


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ("0it [00:00, ?it/s]", {"done": 0, "total": None, "unit": "it", "text": ""}),
        ("30row [00:02, 15.00row/s]", {"done": 30, "total": None, "unit": "row", "text": "", "rate": 15}),
        (
            " 50%|#####     | 1.5k/3.00k [01:40<01:40, 4.00s/B]",
            {"done": 1500, "total": 3000, "unit": "B", "text": "", "rate": 0.25},
        ),
        (
            "a: b:  40%|████      | 4/10 [1:00:00<?, 2it/s, loss=0.5]",
            {"done": 4, "total": 10, "unit": "it", "text": "a: b", "rate": 2},
        ),
    ],
)
def test_what_a_bar_says(line: str, data: dict[str, Any]) -> None:
    kept, said = taken(f"\r{line}")
    assert said == [data]
    assert kept == line


@pytest.mark.parametrize(
    "text",
    [
        "plain\n",
        "\rDownloading 5 of 10\rDownloading 6 of 10\n",
        "windows\r\nlines\r\n",
        "\r\r\n\r",
        "50%|no bar\n",
        "\r 50% [of it]\r 60% [of it]",
        "\r" + " " * 50_000 + "[",
        "a line that was begun\r",
    ],
    ids=len,
)
def test_what_is_no_bar_is_left_as_it_is(text: str) -> None:
    assert taken(text) == (text, [])


@given(st.lists(st.text("\r\n a5%|/[]<,:it\x1b", max_size=40), max_size=6))
def test_nothing_fails_and_without_bars_nothing_is_lost(pieces: list[str]) -> None:
    kept, said = taken(*pieces)
    if not said:
        assert kept == "".join(pieces)


def test_what_follows_a_bar_on_its_line_stays_there() -> None:
    kept, _ = taken("\r 50%|#    | 1/2 [00:00<00:00, 2it/s]", "a warning\n", "\r100%|##| 2/2 [00:00<00:00, 2it/s]\n")
    assert kept == " 50%|#    | 1/2 [00:00<00:00, 2it/s]a warning\n100%|##| 2/2 [00:00<00:00, 2it/s]\n"
