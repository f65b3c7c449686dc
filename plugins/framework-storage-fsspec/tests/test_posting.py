"""The run side by itself: a server that fails, refuses, or keeps something else."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from framework_run.errors import StorageError
from framework_storage_fsspec.runside import posting
from framework_storage_fsspec.runside.posting import Store


class Server(ThreadingHTTPServer):
    """Answers each form with the next of its answers: a status, and headers; closes the connection for 0."""

    answers: list[tuple[int, dict[str, str]]]
    bodies: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/bucket"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, headers = self.server.answers.pop(0) if self.server.answers else (204, {})
        if not status:
            self.close_connection = True
            return
        text = b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>" if status >= 400 else b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(posting, "_FIRST_WAIT", 0.01)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.answers, server.bodies = [], []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def store(server: Server) -> Store:
    return made(server)


def made(server: Server, **over: Any) -> Store:
    options = {
        "url": server.url,
        "fields": {"policy": "cG9saWN5", "x-amz-signature": "0123"},
        "prefix": "team/",
        "root": "s3://bucket/team",
        "until": time.time() + 100,
    }
    return Store(**{**options, **over})


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "model.bin").write_bytes(b"weights" * 1000)
    return str(tmp_path / "model.bin")


def test_the_form_has_what_was_signed_and_a_name_that_is_the_content(server: Server, store: Store, model: str) -> None:
    content = b"weights" * 1000
    digest = hashlib.sha256(content).hexdigest()
    assert store.put(model) == {
        "uri": f"s3://bucket/team/sha256/{digest[:2]}/{digest[2:]}",
        "digest": f"sha256:{digest}",
        "size": 7000,
    }
    (body,) = server.bodies
    for name, value in {
        "policy": b"cG9saWN5",
        "x-amz-signature": b"0123",
        "key": f"team/sha256/{digest[:2]}/{digest[2:]}".encode(),
    }.items():
        assert f'name="{name}"\r\n\r\n'.encode() + value + b"\r\n" in body
    assert content in body


@pytest.mark.parametrize("status", [500, 503, 429, 0])
def test_what_passes_is_tried_again(server: Server, store: Store, model: str, status: int) -> None:
    server.answers = [(status, {})] * 3
    store.put(model)
    assert len(server.bodies) == 4


def test_what_arrived_as_something_else_is_sent_again(server: Server, store: Store, model: str) -> None:
    good = hashlib.md5(b"weights" * 1000).hexdigest()
    server.answers = [(204, {"ETag": f'"{"0" * 32}"'}), (204, {"ETag": f'"{good}"'})]
    store.put(model)
    assert len(server.bodies) == 2


def test_the_tag_of_what_is_encrypted_with_other_keys_says_nothing(server: Server, store: Store, model: str) -> None:
    server.answers = [(204, {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"})]
    store.put(model)
    assert len(server.bodies) == 1


def test_a_refusal_is_said_in_the_servers_words_and_is_final(server: Server, store: Store, model: str) -> None:
    server.answers = [(403, {})]
    with pytest.raises(StorageError, match="bucket/team did not take it: 403 Forbidden: SlowDown: Reduce your rate"):
        store.put(model)
    assert len(server.bodies) == 1


def test_a_server_that_stays_broken_is_given_up(server: Server, store: Store, model: str) -> None:
    server.answers = [(503, {})] * 20
    with pytest.raises(StorageError, match="503 Service Unavailable"):
        store.put(model)
    assert len(server.bodies) == 6


def test_a_permission_that_has_ended_is_said(server: Server, model: str) -> None:
    server.answers = [(403, {})]
    with pytest.raises(StorageError, match=r"permission of this run to write ended at 1970-01-01 00:00 UTC") as caught:
        made(server, until=1.0).put(model)
    assert "Run it again" in caught.value.advice


def test_no_server_at_all_is_an_error(server: Server, model: str) -> None:
    with pytest.raises(StorageError, match="refused"):
        made(server, url="http://127.0.0.1:9/bucket").put(model)


def test_too_much_for_one_upload_is_refused_before_it_is_sent(
    server: Server, store: Store, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "_MOST", 6999)
    with pytest.raises(StorageError, match="7,000 bytes"):
        store.put(model)
    assert server.bodies == []
