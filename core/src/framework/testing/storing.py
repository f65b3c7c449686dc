"""What the storage suite does in other processes: ``python -m framework.testing.storing ACTION CLASS URL …``.

Each prints one line of JSON for each thing done, so that who kills it knows what it had promised before.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.errors import StorageError
from framework.plugins.targets import load_target
from framework.storages import Storage

CHUNK = 65_536  # bytes


class Noise(io.RawIOBase):
    """So many bytes that nothing else has: what a seed makes.

    Args:
        seed: The same seed gives the same bytes.
        size: In bytes.
    """

    def __init__(self, seed: int, size: int) -> None:
        import random

        self._random = random.Random(seed)  # noqa: S311  repeatable on purpose
        self._left = size

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give the next bytes."""
        count = min(len(buffer), self._left, CHUNK)
        buffer[:count] = self._random.randbytes(count)
        self._left -= count
        return count


def noise(seed: int, size: int) -> io.BufferedReader:
    """A stream of `Noise`."""
    return io.BufferedReader(Noise(seed, size), CHUNK)


def start(action: str, storage: Storage, *words: object) -> subprocess.Popen[str]:
    """Do something in a process of its own.

    Args:
        action: The name of a function of this module.
        storage: Where; the process makes one of its own from class and URL.
        words: What the function takes besides.
    """
    cls = f"{type(storage).__module__}:{type(storage).__qualname__}"
    command = [sys.executable, "-m", __name__, action, cls, storage.url, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def promised(output: str) -> list[Any]:
    """What a process had said, as far as its last whole line."""
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith("\n")]


def put_many(storage: Storage, first: str, count: str, size: str) -> None:
    """Put ``count`` contents of ``size`` bytes, from the seed ``first`` on."""
    for seed in range(int(first), int(first) + int(count)):
        _say({"seed": seed, "uri": storage.put(noise(seed, int(size))).uri})


def put_limited(storage: Storage, limit: str, size: str) -> None:
    """Put where no file may be larger than ``limit`` bytes."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        _say({"uri": storage.put(noise(1, int(size))).uri})
    except StorageError as error:
        _say({"error": error.message, "advice": error.advice})


def put_large(storage: Storage, path: str) -> None:
    """Put a file and get it back; say by how many bytes the memory of this process grew."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, KiB here
    storage.get(storage.put(b"warm").uri, Path(f"{path}.warm"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stat = storage.put(Path(path))
    storage.get(stat.uri, Path(f"{path}.back"))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    _say({"uri": stat.uri, "size": stat.size, "grown": grown * unit})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


_ACTIONS: dict[str, Callable[..., None]] = {"put_many": put_many, "put_limited": put_limited, "put_large": put_large}

if __name__ == "__main__":
    _action, _cls, _url, *_words = sys.argv[1:]
    _ACTIONS[_action](load_target(_cls)(_url), *_words)
