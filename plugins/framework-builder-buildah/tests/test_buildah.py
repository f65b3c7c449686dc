"""How buildah is called, and how what it says becomes an error: with a program in its place."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from framework.builders import Recipe
from framework.errors import BackendError, UsageError
from framework_builder_buildah.builder import Buildah
from framework_builder_buildah.registry import is_loopback

RECIPE = Recipe(containerfile="FROM base\nRUN true\n", tag="0123")
DIGEST = f"sha256:{'a' * 64}"


class Fake:
    """A program ``buildah`` that notes its calls and does what a script of the shell says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def does(self, script: str) -> None:
        program = self.folder / "buildah"
        program.write_text(
            f'#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done >> {self.folder}/calls\n'
            f"echo -- >> {self.folder}/calls\n{script}\n"
        )
        program.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        text = (self.folder / "calls").read_text()
        return [call.splitlines() for call in text.split("--\n") if call]


@pytest.fixture
def buildah(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in ("BUILDAH_ISOLATION", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"):
        monkeypatch.delenv(name, raising=False)
    return Fake(tmp_path / "bin")


PUSHED = f"""
while [ $# -gt 0 ]; do
    if [ "$1" = --digestfile ]; then printf {DIGEST} > "$2"; fi
    if [ "$1" = --file ]; then cat "$2"; fi
    shift
done
"""


def test_an_image_is_built_and_pushed(buildah: Fake) -> None:
    buildah.does(PUSHED)
    lines: list[str] = []
    assert Buildah("registry.example/team").build(RECIPE, "registry.example/team/x:0123", lines.append) == DIGEST
    build, push = buildah.calls
    assert build[:4] == ["bud", "--layers", "--isolation", "chroot"]
    assert build[build.index("--tag") + 1] == "registry.example/team/x:0123"
    assert push[0] == "push"
    assert push[-1] == "registry.example/team/x:0123"
    assert "--tls-verify=false" not in [*build, *push]
    assert lines == ["FROM base", "RUN true"]


def test_settings_of_buildah_and_of_the_index_are_respected(buildah: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDAH_ISOLATION", "oci")
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.example/simple")
    buildah.does(PUSHED)
    Buildah("127.0.0.1:5000").build(RECIPE, "127.0.0.1:5000/x:0123", lambda _line: None)
    build, _ = buildah.calls
    assert "--isolation" not in build
    assert build[build.index("--build-arg") + 1] == "PIP_INDEX_URL", "the value stays in the environment"
    assert "--tls-verify=false" in build


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("echo STEP 2/3: RUN pip install x; echo no such package; exit 1", UsageError, "STEP 2/3: RUN pip install x"),
        ("echo Trying to pull base...; echo error: unauthorized; exit 125", BackendError, "unauthorized"),
        ("if [ $1 = push ]; then echo denied; exit 125; fi", BackendError, "did not take the image\ndenied"),
    ],
)
def test_what_fails_is_said(buildah: Fake, script: str, error: type[Exception], words: str) -> None:
    buildah.does(script)
    with pytest.raises(error, match=words) as caught:
        Buildah("registry.example").build(RECIPE, "registry.example/x:0123", lambda _line: None)
    assert caught.value.advice  # type: ignore[attr-defined]


def test_without_the_program_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="buildah cannot be started") as caught:
        Buildah("registry.example").build(RECIPE, "registry.example/x:0123", lambda _line: None)
    assert "apt-get install buildah" in caught.value.advice


@pytest.fixture
def answering() -> Iterator[Callable[[int], str]]:
    """Start a registry that gives one answer to everything; returns its address."""
    servers = []

    def start(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(status)
                self.send_header("Docker-Content-Digest", DIGEST)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("status", "found"), [(200, DIGEST), (404, "")])
def test_the_registry_says_whether_an_image_is_there(
    answering: Callable[[int], str], buildah: Fake, status: int, found: str
) -> None:
    registry = answering(status)
    assert Buildah(registry).find(f"{registry}/x:0123") == found


@pytest.mark.parametrize(("script", "found"), [(f"[ $1 = inspect ] && echo {DIGEST}; true", DIGEST), ("exit 1", "")])
def test_where_the_registry_wants_a_login_buildah_has_it(
    answering: Callable[[int], str], buildah: Fake, script: str, found: str
) -> None:
    registry = answering(401)
    buildah.does(script)
    assert Buildah(registry).find(f"{registry}/x:0123") == found


def test_a_registry_that_is_broken_is_the_backends_error(answering: Callable[[int], str]) -> None:
    registry = answering(500)
    with pytest.raises(BackendError, match="answers 500"):
        Buildah(registry).find(f"{registry}/x:0123")


@pytest.mark.parametrize(
    ("registry", "local"),
    [
        ("127.0.0.1:5000", True),
        ("localhost/team", True),
        ("[::1]:5000", True),
        ("registry.example", False),
        ("10.0.0.1:5000/x", False),
    ],
)
def test_only_loopback_goes_without_tls(registry: str, local: bool) -> None:
    assert is_loopback(registry) is local


def test_images_of_this_machine_are_asked_of_buildah(buildah: Fake) -> None:
    buildah.does(f"echo {DIGEST}")
    assert Buildah("").find("localhost/framework-env:0123") == DIGEST
    assert json.dumps(buildah.calls[0]).startswith('["inspect", "--type", "image"')
