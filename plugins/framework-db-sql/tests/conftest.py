"""A PostgreSQL server of the tests' own, where its programs are installed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings

# A generated example may take long on a machine with much to do: how long, no test is about.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_PATIENCE = 30.0  # seconds for the server to come up
_numbers = itertools.count()


def _program(name: str) -> str:
    """The newest of the installed ones; Debian keeps them off PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return shutil.which(name) or (str(places[-1]) if places else "")


def _as_somebody() -> dict[str, Any]:
    """How to start a process that is not root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


class Server:
    """A PostgreSQL server, which listens at a socket in its folder only.

    Args:
        folder: Its own.
    """

    def __init__(self, folder: Path) -> None:
        initdb, postgres = _program("initdb"), _program("postgres")
        if not (initdb and postgres):
            pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        pytest.importorskip("psycopg2", reason="pip install 'framework-db-sql[postgresql]'")
        self.folder, self._postgres, self._somebody = folder, postgres, _as_somebody()
        if self._somebody:
            os.chown(folder, self._somebody["user"], self._somebody["group"])
        subprocess.run(
            [
                initdb,
                "-D",
                folder / "data",
                "-U",
                "tester",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **self._somebody,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its database, without a schema of one's own."""
        return f"postgresql://tester@/postgres?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._postgres, "-D", self.folder / "data", "-k", self.folder, *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._somebody,
            )
        _await(self._process, self.folder)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; on SIGTERM what is connected still is let finish, on SIGINT it is cut off."""
        assert self._process is not None
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of a server's socket; the server is stopped by its pid at the end."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        server.start()
        yield name
        server.stop()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop and start; it runs."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        server.start()
        yield server
        server.stop()


def _await(server: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg2

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg2.connect(host=str(folder), user="tester", dbname="postgres").close()
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text("utf-8", "replace")) from None
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[Callable[[], str]]:
    """Makes URLs of empty databases: schemas of their own, which are made faster."""
    import psycopg2

    connection = psycopg2.connect(host=postgresql_server, user="tester", dbname="postgres")
    connection.autocommit = True
    made: list[str] = []

    def url() -> str:
        made.append(f"test_{next(_numbers)}")
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {made[-1]}")
        options = quote(f"-csearch_path={made[-1]}")
        return f"postgresql://tester@/postgres?host={quote(postgresql_server, safe='')}&options={options}"

    yield url
    with connection.cursor() as cursor:
        for name in made:
            cursor.execute(f"DROP SCHEMA {name} CASCADE")
    connection.close()
