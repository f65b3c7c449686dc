"""Contents that come in events are in the storage before the database sees them."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.engine.contents import stored
from framework.engine.session import Session
from framework.errors import BackendError, StorageError
from framework_run.events import Producer
from framework_run.inlinestore import Store


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    made = Session()
    yield made
    if "database" in vars(made):
        made.database.close()


def run(session: Session, **spec: Any) -> str:
    session.database.create_run(
        {
            "metadata": {"uid": "0198", "name": "train", "project": "default"},
            "spec": {"kind": "job", **spec},
            "status": {"state": "running", "created": 1.0},
        },
        handle={"kind": "job", "version": 1},
    )
    return "0198"


def artifact(made: bytes, **data: Any) -> dict[str, Any]:
    about = {
        "key": "model",
        "digest": f"sha256:{hashlib.sha256(made).hexdigest()}",
        "size": len(made),
        "content": base64.b64encode(zlib.compress(made)).decode(),
    }
    return Producer({"uid": "0198"}).event("artifact", {**about, **data})


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 20_000, bytes(50_000_000)], ids=len)
def test_a_content_is_put_into_the_storage_and_its_event_names_it(session: Session, content: bytes) -> None:
    event = artifact(content)
    (kept,) = stored(session, run(session), [event])
    assert "content" not in kept["data"]
    assert "content" in event["data"], "what the runtime gave is left as it was"
    with session.storage.open(kept["data"]["uri"]) as stream:
        assert stream.read() == content


def test_it_goes_where_the_run_says(session: Session, tmp_path: Path) -> None:
    uid = run(session, artifact_path=str(tmp_path / "artifacts"))
    (kept,) = stored(session, uid, [artifact(b"model")])
    assert kept["data"]["uri"].startswith(f"file://{tmp_path}/artifacts/")


def test_events_without_content_are_left_alone_and_open_no_storage(session: Session) -> None:
    producer = Producer({"uid": "0198"})
    events = [producer.event("log", {"text": "x"}), producer.event("artifact", {"key": "a", "uri": "file:///x"})]
    assert stored(session, "0198", events) is events
    assert "storage" not in vars(session)


@pytest.mark.parametrize(
    "damage",
    [
        {"content": "no base64!"},
        {"content": base64.b64encode(b"no zlib").decode()},
        {"content": base64.b64encode(zlib.compress(b"model")[:-6]).decode()},
        {"content": base64.b64encode(zlib.compress(b"another")).decode()},
    ],
)
def test_a_damaged_content_is_refused_and_nothing_is_left_of_it(session: Session, damage: dict[str, str]) -> None:
    with pytest.raises(BackendError, match="'model' is not what its digest"):
        stored(session, run(session), [artifact(b"model", **damage)])
    assert list(session.storage.list()) == []


def test_the_run_side_store_and_this_side_agree(session: Session, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights" * 1000)
    said = Store().put(str(tmp_path / "model"))
    event = Producer({"uid": "0198"}).event("artifact", {"key": "model", **said})
    (kept,) = stored(session, run(session), [event])
    assert session.storage.stat(kept["data"]["uri"]).size == said["size"] == 7000


def test_a_storage_that_does_not_take_it_says_so(session: Session, tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file in the folder's place")
    uid = run(session, artifact_path=str(tmp_path / "artifacts"))
    with pytest.raises(StorageError):
        stored(session, uid, [artifact(b"model")])
