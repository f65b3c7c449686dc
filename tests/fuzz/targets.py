"""What is fuzzed: each target takes what a strategy makes, and may refuse it by an error of the tree only."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from framework import uris
from framework.cli.index import GROUPS, ROOT
from framework.conditions import glob_matches, holds, parse
from framework.documents.converters import load, read_yaml, structure
from framework.documents.dump import dump
from framework.documents.identity import version_of
from framework.engine.apply import merge
from framework.errors import ConditionError, DocumentError, UriError, UsageError
from framework.models import Function, Project, Run
from framework_run import eventfile, frames, numbers, quantities
from framework_run.digest import events_of
from framework_run.events import LOSSLESS, Event, Producer

Strategy = st.SearchStrategy[Any]

TEXT = st.text(max_size=40) | st.sampled_from(["", " ", "\0", "\ud800", "☃", "a" * 5_000, "-", "--", "$", "..", "%s"])
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


class Target(NamedTuple):
    """One thing that is fuzzed, and what share of the tries it gets."""

    strategy: Strategy
    attempt: Callable[[Any], None]
    share: float


# Documents


FUNCTION: dict[str, Any] = {
    "kind": "local",
    "metadata": {"name": "train", "project": "default", "labels": {"a": "b"}},
    "spec": {
        "code": {"module": "train", "handler": "train", "files": {"train.py": "sha256:" + "a" * 64}},
        "environment": {"image": "python:3.11", "requirements": ["numpy"], "env": {"A": "1"}, "python": ">=3.10"},
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
        "life": {"timeouts": {"run": 10}, "retry": {"attempts": 3, "on": ["OutOfMemory"], "backoff": 1.5}},
        "scale": {"replicas": 1},
    },
}


@st.composite
def _changed(draw: st.DrawFn, document: Any = None) -> Any:
    """A document that is right, but for one to three parts of it."""
    changed = json.loads(json.dumps(FUNCTION if document is None else document))
    for _ in range(draw(st.integers(1, 3))):
        place = changed
        while isinstance(place, dict) and place:
            key = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], (dict, list)) or draw(st.booleans()):
                break
            place = place[key]
        else:
            continue
        if isinstance(place, dict):
            what = draw(st.integers(0, 2))
            if what == 0:
                place[key] = draw(JSON)
            elif what == 1:
                place[draw(TEXT)] = draw(JSON)
            else:
                del place[key]
    return changed


@st.composite
def _yaml(draw: st.DrawFn) -> str:
    """YAML that is right, but for some of its letters."""
    text = list(json.dumps(FUNCTION, indent=1))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(text) - 1))
        text[place] = draw(
            st.sampled_from([*"{}[]:,-?&*!|>'\"%@`#\n\t 0", "\0", "<<: ", "!!python/object:x ", "&a *a ", ""])
        )
    return "".join(text)


def _document(content: Any) -> None:
    for cls in (Function, Project, Run):
        with suppress(DocumentError):
            made = structure(content, cls)
            if isinstance(made, Function):
                version_of(made)
            json.dumps(numbers.encode(dump(made)))


def _kept(content: Any) -> None:
    """A function as a database gave it, written by whatever version."""
    if isinstance(content, dict):
        with suppress(DocumentError):
            load(content, Function)


def _text(text: str) -> None:
    with suppress(DocumentError):
        read_yaml(text, Function)


# Small languages


SIGNS = st.text(alphabet="abz09:/@#.-_~ sha256[]{}%\\\n☃", max_size=60)
URI = st.one_of(
    SIGNS,
    st.tuples(st.sampled_from(["db://", "hub://", "run://", "store://", "git://", "://", ""]), SIGNS).map("".join),
)
CLAUSE = st.tuples(
    st.sampled_from(["params.depth", "results.a", 'labels."a b"', "state", "created", "duration", "x", "params."]),
    st.sampled_from([" > ", "=", " ~ ", "!=", " ", "<=", "=="]),
    SIGNS | st.sampled_from(["3", "nan", "1e999", "true", "2026-01-01", "9" * 5_000, '"x"', "[!a-z]*", "1_0"]),
).map("".join)
CONDITION = st.lists(CLAUSE, min_size=1, max_size=3).map(" and ".join) | TEXT


def _uri(text: str) -> None:
    with suppress(UriError):
        assert str(uris.parse(text)) == text


def _condition(text: str) -> None:
    with suppress(ConditionError):
        for condition in parse(text):
            for value in (None, 3, 0.5, "x", True, [1], {}, float("nan"), 10**400):
                holds(condition, value)
    glob_matches(text[:50], "train")


def _quantity(value: Any) -> None:
    with suppress(ValueError):
        assert quantities.parse(value) >= 0


def _number(value: Any) -> None:
    text = json.dumps(numbers.encode(value), allow_nan=False)
    assert repr(numbers.decode(json.loads(text))) == repr(value)


SETTING = (
    st.lists(
        st.tuples(
            st.sampled_from(["db", "storage", "project", "dbb", "[runtime.local]", "[x]", ""]),
            st.just(" = "),
            TEXT.map(repr) | SIGNS,
        ).map("".join),
        max_size=4,
    ).map("\n".join)
    | TEXT
)


def _settings(text: str) -> None:
    from framework.settings import load as load_settings
    from framework.settings import runtime_table

    home = Path(os.environ["FRAMEWORK_HOME"])
    (home / "config.toml").write_text(text, encoding="utf-8", errors="replace")
    try:
        for ask in (load_settings, lambda: runtime_table("local")):
            with suppress(UsageError):
                ask()
    finally:
        (home / "config.toml").unlink()


# Events


UID = "0198c000-0000-7000-8000-000000000001"
CHILD = "0198c000-0000-7000-8000-000000000002"


def _story(attempt: int) -> list[Event]:
    producer = Producer({"uid": UID, "attempt": attempt})
    return [
        producer.event("state", {"state": "running", "host": "here", "pid": 1}),
        producer.event("log", {"stream": "stdout", "text": "x" * 50}),
        producer.event("result", {"values": {"a": attempt}}),
        producer.event("metric", {"key": "m", "steps": [0, 1], "values": [1.0, 2.0], "times": [0.0, 1.0]}),
        producer.event("child", {"uid": CHILD, "name": "fold", "params": {}}),
        producer.event("result", {"values": {"b": 1}}, child=CHILD),
        producer.event("end", {"state": "completed", "cause": None}, child=CHILD),
        producer.event("peak", {"memory": 1}),
        producer.event("end", {"state": "completed", "cause": None, "message": "", "advice": ""}),
    ]


@st.composite
def _events(draw: st.DrawFn) -> tuple[list[Event], random.Random]:
    """Events out of order, repeated, and some of them missing."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    events = [event for attempt in range(1, chance.randint(1, 3) + 1) for event in _story(attempt)]
    chosen = [event for event in events if chance.random() < chance.choice([0.7, 1.0])]
    chosen += chance.sample(events, chance.randint(0, 5))
    chance.shuffle(chosen)
    return chosen, chance


def _applied(events: list[Event], chance: random.Random) -> None:
    """Apply in some batches: no error, nobody is completed who is not whole, and batches do not matter."""
    found = []
    for size in (len(events) or 1, chance.randint(1, 4)):
        document: Any = {"metadata": {"uid": UID, "name": "x"}, "spec": {}, "status": {"state": "pending"}}
        ledger: Any = {}
        for start in range(0, len(events), size):
            merged = merge(document, ledger, events[start : start + size])
            document, ledger = merged.document, json.loads(json.dumps(merged.ledger))
        found.append(document)
    assert found[0] == found[1]
    if found[0]["status"]["state"] == "completed":
        latest = max(event["attempt"] for event in events)
        have = {event["seq"] for event in events if event["attempt"] == latest}
        assert {event["seq"] for event in _story(latest) if event["kind"] in LOSSLESS} <= have


def _order(made: tuple[list[Event], random.Random]) -> None:
    _applied(*made)


def _event_file(made: tuple[list[Event], random.Random]) -> None:
    """A file of events that is cut, or has damaged bits or foreign bytes in it: what is read was written."""
    events, chance = made
    path = Path(os.environ["FRAMEWORK_HOME"], "events")
    path.unlink(missing_ok=True)
    file = eventfile.EventFile(str(path))
    for event in events:
        if event["kind"] != "end":  # an end waits for the disk
            file.write(event)
    file.close()
    content = bytearray(path.read_bytes())
    for _ in range(chance.randint(0, 4)):
        if content:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del content[chance.randrange(len(content) + 1) :]
    if chance.random() < 0.2:
        place = chance.randrange(len(content) + 1)
        content[place:place] = bytes(chance.randrange(256) for _ in range(chance.randrange(20)))
    path.write_bytes(content)
    found, offset = eventfile.read(str(path), 0)
    assert offset <= len(content)
    assert all(event in events for event in found)
    _applied(found, chance)


def _frames(made: tuple[list[Event], random.Random]) -> None:
    """Frames among others' bytes, damaged or not, in pieces of any size."""
    events, chance = made
    foreign = [bytes(chance.randrange(256) for _ in range(chance.randrange(30))) for _ in events]
    stream = bytearray()
    for event, noise in zip(events, foreign, strict=True):
        for frame in frames.encode({**event, "pad": "y" * chance.choice([0, 5_000])}, "token"):
            stream += frame
        stream += noise
    whole = chance.random() < 0.5
    for _ in range(0 if whole else chance.randint(1, 5)):
        if stream:
            stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)
    decoder, found, place = frames.Decoder("token"), [], 0
    while place < len(stream):
        size = chance.choice([1, 7, 4096, 100_000])
        found += decoder.feed(bytes(stream[place : place + size]))
        place += size
    found += decoder.close()
    given = [{name: part for name, part in each.items() if name != "pad"} for each in found if isinstance(each, dict)]
    assert all(event in events for event in given)
    if whole:
        assert given == events
        assert b"".join(each for each in found if isinstance(each, bytes)) == b"".join(foreign)


def _digest(document: Any) -> None:
    with suppress(ValueError):
        events_of(document)


# Command lines


_FLAGS = (
    *("--json", "--all", "--project", "--name", "--limit", "--where", "--state", "--since", "--run", "-o", "--help"),
    *(
        "--dry-run",
        "-p",
        "--set",
        "--env",
        "--label",
        "--kind",
        "--yes",
        "--no-plugins",
        "--debug",
        "--tag",
        "-x",
        "--",
    ),
    *("--attempt", "--sort", "--parent", "--returns", "--input", "--timeout", "--retry", "--content", "--request"),
)
_WORDS = (
    *("0198c000", UID, "train", "train:latest", "train@sha256:aaaa", "default", "model", "x.yaml", "1", "-1", "a=b"),
    *("results.a > 0.5", "results", "3d", "nowhere.py:f", "job.py", "job.py:nothing", "db://default/train", "☃", ""),
    *(
        "depth=3",
        "spec.resources.limits.memory=2Gi",
        "memory=1Qx",
        "db",
        "project",
        "sqlite:///tmp",
        "run://a/b",
        "\udcff",
    ),
)
_NEVER = {  # what runs code, waits, or asks a cluster
    *(("run",), ("doctor",), ("runs", "watch"), ("function", "build"), ("runs", "gc")),
}
_COMMANDS = [
    words
    for name, entry in ROOT.items()
    for words in ([(name,)] if entry.target else [(name, inner) for inner in GROUPS[name]])
    if words not in _NEVER
]


def _as_argument(text: str) -> str:
    """A text as an operating system may give it: without NUL, and with stray bytes as Python has them."""
    return text.replace("\0", "").encode("utf-8", "replace").decode() + ("\udcff" if "\ud800" in text else "")


@st.composite
def _command(draw: st.DrawFn) -> list[str]:
    word = st.sampled_from(_FLAGS) | st.sampled_from(_WORDS) | TEXT.map(_as_argument)
    rest = [each for each in draw(st.lists(word, max_size=6)) if each not in {"-f", "--follow"}]
    if draw(st.integers(0, 9)) == 0:
        return ["run", "--dry-run", *rest]
    return [*draw(st.sampled_from(_COMMANDS)), *rest]


def _cli(words: list[str]) -> None:
    """A command line ends with an exit status of its own, and says nothing of a bug."""
    from framework.cli.main import execute

    out, err = (TextIOWrapper(BytesIO(), "utf-8", errors="backslashreplace") for _ in range(2))
    os.environ.pop("FRAMEWORK_DEBUG", None)
    os.environ.pop("FRAMEWORK_PLUGINS", None)
    with redirect_stdout(out), redirect_stderr(err):
        code = execute(words)
    out.flush()
    err.flush()
    said, complaint = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    assert code in {0, 1, 2}, (code, complaint)
    assert "this is a bug" not in complaint, complaint
    assert "--debug" in words or "Traceback" not in complaint
    assert code == 0 or complaint or said


TARGETS: dict[str, Target] = {
    "documents": Target(_changed(), _document, 0.10),
    "documents as a database has them": Target(_changed(), _kept, 0.05),
    "YAML": Target(_yaml() | TEXT, _text, 0.06),
    "URIs": Target(URI, _uri, 0.19),
    "conditions": Target(CONDITION, _condition, 0.15),
    "quantities": Target(
        SCALAR | SIGNS | st.from_regex(r"\A[0-9.]{0,6}[eE+-]{0,3}[0-9]{0,5}[a-zA-Z]{0,2}\Z"), _quantity, 0.08
    ),
    "numbers": Target(JSON, _number, 0.07),
    "settings": Target(SETTING, _settings, 0.05),
    "order of events": Target(_events(), _order, 0.06),
    "event files": Target(_events(), _event_file, 0.06),
    "frames": Target(_events(), _frames, 0.05),
    "digests": Target(st.fixed_dictionaries({}, optional={"digest": JSON, "events": JSON}), _digest, 0.03),
    "command lines": Target(_command(), _cli, 0.05),
}
assert abs(sum(target.share for target in TARGETS.values()) - 1.0) < 1e-9


def tried(target: Target, tries: int) -> int:
    """Try a target so many times; returns how many there were before something was found, which is raised."""
    count = 0

    @settings(
        max_examples=tries,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.strategy)
    def attempt(made: Any) -> None:
        nonlocal count
        count += 1
        target.attempt(made)

    attempt()
    return count
