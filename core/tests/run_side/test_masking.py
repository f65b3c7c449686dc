"""Values of secrets are masked wherever they are, and however a stream is cut."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run.masking import MASK, Masker, Stream, unmasked

SECRET = 'kanarien/+vo"gel&7é'
few = st.text("ab", max_size=30)  # an alphabet so small that values overlap, touch and repeat
values = st.lists(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=3)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        html.escape(SECRET),
    ],
)
def test_a_value_is_masked_however_it_is_written(form: str) -> None:
    masked = Masker([SECRET]).text(f"before {form} behind")
    assert masked.startswith(f"before {MASK}")
    assert masked.removeprefix(f"before {MASK}").strip("=") == " behind"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("behind", ["", "x", "xy", ":rest"])
def test_a_value_inside_of_a_longer_base64_text_is_masked(before: str, behind: str) -> None:
    text = base64.b64encode(f"{before}{SECRET}{behind}".encode()).decode()
    masked = Masker([SECRET]).text(text)
    assert MASK in masked
    assert len(masked) - len(MASK) <= len(text) - len(base64.b64encode(SECRET.encode())) + 8


def test_long_lines_of_a_value_are_masked_by_themselves() -> None:
    key = "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG9w0B\nAQ==\n-----END KEY-----\n"
    assert Masker([key]).text("  | MIIBVgIBADANBgkqhkiG9w0B\n  | AQ==") == f"  | {MASK}\n  | AQ=="


def test_what_is_too_short_is_left_and_said() -> None:
    assert Masker(["abc", "long enough"]).text("abc long enough") == f"abc {MASK}"
    assert unmasked({"PIN": "123", "TOKEN": "1234"}).count("\n") == 1
    assert "PIN" in unmasked({"PIN": "123"})
    assert "123" not in unmasked({"PIN": "123"})


def test_values_that_overlap_leave_nothing() -> None:
    assert Masker(["abcdef", "defghi"]).text("x abcdefghi y") == f"x {MASK} y"


def test_half_a_value_at_an_ellipsis_is_masked() -> None:
    masker = Masker(["0123456789"])
    assert masker.text("failed: 012345…") == f"failed: {MASK}…"
    assert masker.text("…6789 and on") == f"…{MASK} and on"
    assert masker.text("failed: 01…") == "failed: 01…"


@given(values, few)
def test_no_value_is_left(secrets: list[str], text: str) -> None:
    masked = Masker(secrets).text(text)
    assert not any(secret in masked for secret in secrets)
    assert Masker(secrets).text(masked) == masked


@given(values, few)
def test_what_is_no_value_is_left_as_it_is(secrets: list[str], text: str) -> None:
    if not any(secret in text for secret in secrets):
        assert Masker(secrets).text(text) == text


@given(values, st.lists(few, max_size=8))
def test_a_stream_gives_what_the_whole_would(secrets: list[str], pieces: list[str]) -> None:
    stream = Stream(Masker(secrets))
    assert "".join([*map(stream.feed, pieces), stream.flush()]) == Masker(secrets).text("".join(pieces))


@given(values, st.lists(few, max_size=8))
def test_a_stream_never_gives_a_value_however_the_pieces_are_joined(secrets: list[str], pieces: list[str]) -> None:
    stream = Stream(Masker(secrets))
    given_ = [stream.feed(piece) for piece in pieces]
    assert not any(secret in "".join(given_) for secret in secrets)


def test_a_stream_holds_back_no_more_than_may_be_a_value() -> None:
    stream = Stream(Masker(["0123456789"]))
    assert stream.feed("a line 0123") == "a line "
    assert stream.feed("x") == "0123x"
    assert stream.feed("012345678") == ""
    assert stream.feed("9") == MASK


def test_a_value_that_repeats_without_end_is_given_as_it_comes() -> None:
    stream = Stream(Masker(["aaaa"]))
    given_ = [stream.feed("a" * 1000) for _ in range(100)]
    assert "".join(given_) == MASK
    assert len(stream._held) < 10


def test_of_an_event_what_the_user_put_into_it_is_masked_and_the_rest_is_not() -> None:
    masker = Masker(["stdout", "sha256:00", "4711"])
    assert masker.event("log", {"stream": "stdout", "text": "to stdout"}) == {"stream": "stdout", "text": f"to {MASK}"}
    artifact = {"key": "stdout", "digest": "sha256:00", "metadata": {"stdout": ["stdout"]}}
    assert masker.event("artifact", artifact) == {"key": MASK, "digest": "sha256:00", "metadata": {MASK: [MASK]}}
    assert masker.event("result", {"values": {"pin": 4711, "one": True, "size": 47}}) == {
        "values": {"pin": MASK, "one": True, "size": 47}
    }
    assert masker.event("progress", {"done": 4711, "text": "4711"}) == {"done": 4711, "text": MASK}
    assert masker.event("end", {"state": "failed", "message": "stdout", "signal": 4711})["message"] == MASK
    assert masker.event("environment", {"command": ["-p", "stdout"]}) == {"command": ["-p", MASK]}


def test_without_values_everything_is_left() -> None:
    masker = Masker([])
    assert masker.text("anything…") == "anything…"
    assert masker.text("…anything") == "…anything"
    assert Stream(masker).feed("anything") == "anything"
