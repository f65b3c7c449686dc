"""The git checkout that a run comes from, looked at in the background: git is started, and asked for its answer later.

Files are changed while git looks; what it says is the truth of the moments between its start and its end.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Final

from attrs import Factory, define

_STATUS: Final = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=dirty")
_DIFF: Final = (
    # Whatever the user has set, so that `git apply` takes it.
    *("diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=dirty", "--unified=3", "--inter-hunk-context=0"),
)
_PLAIN: Final = (
    "-c",
    "core.quotePath=false",
    "-c",
    "core.fsmonitor=false",
    "--no-optional-locks",
    "--literal-pathspecs",
)
_ELSEWHERE: Final = frozenset(
    # What would make git look at another repository, as in a hook of git's own, or answer in another form.
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS"}
)
_LARGEST: Final = 1024 * 1024  # bytes of a changed file whose difference is asked for
_PAUSE: Final = 0.001  # seconds between two looks at git while somebody waits for it


@define(kw_only=True)
class Checkout:
    """What git says.

    Args:
        commit: The commit that is checked out; empty before the first one.
        branch: The branch; empty where none is checked out.
        changed: Paths of tracked files that differ from the commit.
        untracked: Paths of files that git neither tracks nor ignores.
        patch: The difference of the changed files from the commit, as `git apply` reads it.
        left_out: Paths whose difference is not in the patch, because they are too large.
        failed: Why git did not say all of this; empty where it did.
    """

    commit: str = ""
    branch: str = ""
    changed: list[str] = Factory(list)
    untracked: list[str] = Factory(list)
    patch: bytes = b""
    left_out: list[str] = Factory(list)
    failed: str = ""


class Probe:
    """Asks git about a checkout without waiting for it.

    Args:
        top: The checkout's top folder.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self._found = Checkout()
        self._question: _Question | None = _ask(top, _STATUS)
        self._differs = False
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def poll(self) -> Checkout | None:
        """What git says, or None while it is not through, or another thread looks."""
        if os.getpid() != self._pid:  # a fork: git is the parent's child, and another thread of it may hold the lock
            return Checkout(failed="it was asked by the process that this one was forked from")
        if not self._lock.acquire(blocking=False):
            return None
        try:
            while (question := self._question) is not None:
                answer = question.answer()
                if answer is None:
                    return None
                self._question = None
                self._take(question, answer)
            return self._found
        finally:
            self._lock.release()

    def wait(self, seconds: float) -> Checkout | None:
        """What git says, or None where it is not through after so many seconds."""
        deadline = time.monotonic() + seconds
        while (found := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return found

    def close(self) -> None:
        """End git where it is not through, and let go of it."""
        with self._lock:
            if self._question is not None:
                self._question.end()
                self._question = None
                self._found.failed = "git took too long"

    def _take(self, question: _Question, answer: bytes) -> None:
        """Take the answer to a question, and ask the next one."""
        if question.failed:
            self._found.failed = question.failed
        elif self._differs:
            self._found.patch = answer
        else:
            self._read_status(answer)
            self._ask_for_differences()

    def _read_status(self, answer: bytes) -> None:
        """Read ``git status --porcelain=v2 -z`` (its format is in git-status(1))."""
        entries = iter(answer.decode("utf-8", "surrogateescape").split("\0"))
        for entry in entries:
            if entry.startswith("# branch.oid ") and not entry.endswith("(initial)"):
                self._found.commit = entry.split(" ", 2)[2]
            elif entry.startswith("# branch.head ") and not entry.endswith("(detached)"):
                self._found.branch = entry.split(" ", 2)[2]
            elif entry.startswith("1 "):
                self._found.changed.append(entry.split(" ", 8)[8])
            elif entry.startswith("2 "):
                self._found.changed += [entry.split(" ", 9)[9], next(entries, "")]
            elif entry.startswith("u "):
                self._found.changed.append(entry.split(" ", 10)[10])
            elif entry.startswith("? "):
                self._found.untracked.append(entry[2:])

    def _ask_for_differences(self) -> None:
        if not self._found.commit or not self._found.changed:
            return
        sizes = {path: _size(self.top / path) for path in self._found.changed}
        self._found.left_out = [path for path, size in sizes.items() if size > _LARGEST]
        wanted = [path for path, size in sizes.items() if size <= _LARGEST]
        if wanted:
            # Too many to name are asked for as a whole.
            paths = wanted if len(self._found.left_out) or len(wanted) < 500 else []  # noqa: PLR2004
            self._differs = True
            self._question = _ask(self.top, (*_DIFF, "--", *paths))


class _Question:
    """A git process with its answer in a file, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes] | None, answer: IO[bytes], failed: str = "") -> None:
        self._process = process
        self._answer = answer
        self.failed = failed
        self.end = weakref.finalize(self, _end, process, answer)  # at the latest when this process ends

    def answer(self) -> bytes | None:
        """What it has written, when it has ended."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return None
            if code != 0:
                self.failed = f"git ended with exit code {code}"
        self._answer.seek(0)
        content = self._answer.read()
        self.end()
        return content


def _end(process: subprocess.Popen[bytes] | None, answer: IO[bytes]) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()
    answer.close()


def _ask(top: Path, words: tuple[str, ...]) -> _Question:
    answer = tempfile.TemporaryFile()  # noqa: SIM115  closed when it has been read
    try:
        process = subprocess.Popen(
            ["git", *_PLAIN, *words],
            cwd=top,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE},
        )
    except OSError as error:
        return _Question(None, answer, f"git cannot be started: {error.strerror}")
    return _Question(process, answer)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0  # it was removed
