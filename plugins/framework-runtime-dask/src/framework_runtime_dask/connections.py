"""Connections of this process to schedulers: shared by all that use them, and closed when nobody has for a while."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

from framework.errors import BackendError
from framework_runtime_dask.provider import Place, UnreachableError
from framework_runtime_dask.security import of_client

THREAD: Final = "framework-dask-client"
"""What the threads of connections are called: each has one."""

_CONNECT: Final = 10.0  # seconds to reach a scheduler that somebody has named
_STARTED: Final = 30.0  # seconds to reach one that has been started for us, and may be busy
_LINGER = 10.0  # seconds that a connection is kept for whoever comes next
_CLOSING: Final = 1.0  # seconds for a scheduler to hear of it
_ENDING: Final = 5.0  # seconds for the thread of a connection to end, which has nothing left to wait for

LATE: Final = (TimeoutError, asyncio.TimeoutError)
"""What Dask raises of what takes too long: two classes before Python 3.11."""


class Connection:
    """A client of a scheduler, with an event loop in a thread of its own.

    Dask leaves its loop running where a scheduler does not answer, and where it has gone; this one ends with `close`.

    Args:
        place: The cluster.
        address: Its scheduler's, as seen from here.
        timeout: Seconds to reach it.

    Raises:
        UnreachableError: It does not answer.
    """

    def __init__(self, place: Place, address: str, timeout: float) -> None:
        self.pid = os.getpid()
        self.users = 0
        self.since = 0.0  # when the last one has gone
        self._begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=THREAD, daemon=True)
        self._thread.start()
        self._begun.wait()
        try:
            self.client = _client(place, address, timeout, self._loop)
        except BaseException:
            self._stop()
            raise

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return bool(self.client.status == "running")

    def close(self) -> None:
        """Close it, whoever uses it; that a scheduler cannot be told is no matter."""
        with contextlib.suppress(OSError, *LATE, RuntimeError, AssertionError):
            self.client.close(timeout=_CLOSING)
        self._stop()

    async def _serve(self) -> None:
        from tornado.ioloop import IOLoop

        self._loop: Any = IOLoop.current()
        self._over = asyncio.Event()
        self._begun.set()
        await self._over.wait()

    def _stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.add_callback(self._over.set)
        self._thread.join(_ENDING)


class Connections:
    """The connections of this process, one a scheduler.

    Args:
        reach: Gives the address of a cluster's scheduler as seen from here.
    """

    def __init__(self, reach: Callable[[Place], str]) -> None:
        self._reach = reach
        self._made: dict[tuple[int, str, str], Connection] = {}
        self._lock = threading.Lock()  # of several threads that want the same connection one makes it
        self._woken = threading.Event()
        self._sweeper: threading.Thread | None = None
        _all.add(self)

    @contextlib.contextmanager
    def client(self, place: Place, *, timeout: float | None = None) -> Iterator[Any]:
        """The client of a cluster's scheduler; it stays open at least as long as somebody is in here.

        Args:
            place: The cluster.
            timeout: Seconds to reach it; longer unless told where its provider has started it.

        Raises:
            UnreachableError: It does not answer.
        """
        with self._lock:
            used = self._connection(place, timeout or (_CONNECT if place.provider == "address" else _STARTED))
            used.users += 1
        try:
            yield used.client
        finally:
            with self._lock:
                used.users -= 1
                used.since = time.monotonic()
                self._have_swept()

    def forget(self, place: Place) -> None:
        """Close the connection to a cluster: the next one who wants it gets another."""
        found = self._made.pop(_key(place), None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """Close all; what is used fails. They can be had anew."""
        with self._lock:
            mine = {key: it for key, it in self._made.items() if it.pid == os.getpid()}
            for key in mine:
                del self._made[key]
        self._woken.set()
        for each in mine.values():
            each.close()

    def _connection(self, place: Place, timeout: float) -> Connection:
        key = _key(place)
        found = self._made.get(key)
        if found is not None and found.is_open:
            return found
        if found is not None:
            found.close()
        try:
            address = self._reach(place)
        except BackendError as error:
            raise UnreachableError(error.message, refused=False, advice=error.advice) from error
        self._made[key] = Connection(place, address, timeout)
        return self._made[key]

    def _have_swept(self) -> None:
        """Have somebody look after what nobody uses. A forked child has no thread of its parent's."""
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Thread(target=self._sweep, name="framework-dask-linger", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        """Close what nobody has used for a while, until nothing is open."""
        while True:
            self._woken.wait(_LINGER / 4)
            self._woken.clear()
            with self._lock:
                late, mine = time.monotonic() - _LINGER, [it for it in self._made.items() if it[1].pid == os.getpid()]
                old = [(key, it) for key, it in mine if not it.users and it.since < late]
                for key, _ in old:
                    del self._made[key]
                is_over = len(old) == len(mine)
                if is_over:
                    self._sweeper = None
            for _, each in old:
                each.close()
            if is_over:
                return


_all: weakref.WeakSet[Connections] = weakref.WeakSet()


@atexit.register
def close_all() -> None:
    """Close what this process has open, whoever has opened it; at its end this is done by itself."""
    for each in list(_all):
        each.close()


def _key(place: Place) -> tuple[int, str, str]:
    return os.getpid(), place.address, place.facts.get("uid", "")


def _client(place: Place, address: str, timeout: float, loop: Any) -> Any:
    from distributed import Client
    from distributed.comm.core import CommClosedError

    if address.startswith("tls://") and not place.security:
        raise UnreachableError(
            f"the scheduler {place.address} speaks TLS, and nothing is known here of its certificates",
            refused=False,
            advice="Name them: ca_file, cert and key of options.security.",
        )
    logging.getLogger("distributed.client").addFilter(is_news)
    secure = of_client(place.security)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions: what matters is told by `check_versions`
            return Client(address, timeout=timeout, security=secure, set_as_default=False, loop=loop)
    except (OSError, *LATE, CommClosedError, ValueError, RuntimeError) as error:
        refused = "refused" in _chain(error)
        raise UnreachableError(
            f"the scheduler {place.address} does not answer: {first_line(error)}",
            refused=refused,
            advice="Check the address, and that `dask scheduler` runs there.",
        ) from error


def broken(place: Place, error: OSError) -> UnreachableError:
    """The error for a connection to a cluster that broke on the way."""
    return UnreachableError(
        f"the scheduler {place.address} does not answer any more: {type(error).__name__}",
        refused=False,
        advice="Look whether it is there: framework dask cluster list",
    )


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Dask's own log is to be seen: what a broken connection means, `observe` says."""
    error = (record.exc_info or (None, None))[1]
    return not isinstance(error, (asyncio.CancelledError, OSError)) and "Failed to reconnect" not in record.getMessage()


def _chain(error: BaseException | None) -> str:
    """What an error and its causes say."""
    words = []
    while error is not None:
        words.append(f"{type(error).__name__} {error}")
        error = error.__cause__ or error.__context__
    return " ".join(words).lower()


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its class where that is nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
