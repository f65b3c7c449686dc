"""The facts of the submitting side for the runs of one function."""

from __future__ import annotations

import atexit
import os
import platform
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.engine.capture import head
from framework.engine.capture.masking import masked_words, secrets_here

if TYPE_CHECKING:
    from collections.abc import Iterable

    from framework.databases import Database
    from framework.engine.capture.repository import Probe
    from framework.sources import Loaded
    from framework_run.masking import Masker

_FRESH: Final = 1.0  # seconds in which what was found is not looked at again
_AT_MOST: Final = 5.0  # seconds that a run which starts apart, or the end of the process, waits for git
_WORDS: Final = 20  # of a command line
_probes: dict[Path, tuple[float, Probe]] = {}
_packages: dict[tuple[Any, ...], tuple[str, bytes]] = {}


def begin(loaded: Loaded, masker: Masker | None = None) -> Capture:
    """Begin to look at what surrounds the runs of a function; git is started where its code lies in a checkout.

    Args:
        loaded: The function's code; with code that comes from the storage no checkout has to do.
        masker: Knows the values of the function's secrets, where it has some.
    """
    if loaded.stored:
        return Capture(None, (), masker)
    code = loaded.function.spec.code
    file = Path(code.path) if code.path else Path.cwd()
    place = loaded.root or (file if file.is_dir() else file.parent)
    files = [file, *(place / name for name in code.files)]
    return Capture(head.top_of(place) or head.top_of(Path.cwd()), files, masker)


class Capture:
    """What is found for the runs of one function, in this process.

    Args:
        top: The top folder of the checkout that the code lies in; None where it lies in none.
        files: The files of the code.
        masker: Knows the values of the function's secrets, where it has some.
    """

    def __init__(self, top: Path | None, files: Iterable[Path], masker: Masker | None = None) -> None:
        self._top = top
        self._files = tuple(files)
        self._masker = masker
        self._probe = None if top is None else _probe(top)
        self._head = None if top is None else head.signature(top)
        self._looked = time.monotonic()
        self._git: dict[str, Any] | None = None
        self._patch = b""
        self._kept: tuple[Database, str | None, str] | None = None
        self._owed: list[tuple[Database, str]] = []
        self._folder = ""
        self._facts: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """What is known now; ``git`` is among it when git is through. Not to be changed: runs share it."""
        folder = os.getcwd()  # noqa: PTH109  with every inline run: pathlib costs five times as much
        self._look_again()
        if folder != self._folder:
            facts = {**_system(), "folder": folder, "packages": package_set()[0]}
            self._facts = facts if self._masker is None else self._masker.data(facts)
            self._folder = folder
        if "git" not in self._facts and (git := self._checkout()):
            self._facts = {**self._facts, "git": git}
        return self._facts

    def settle(self) -> dict[str, Any]:
        """As `facts`, after git was waited for."""
        self._look_again()
        if self._probe is not None and self._probe.wait(_AT_MOST) is None:
            self._probe.close()
        return self.facts()

    def provenance(self, *, wait: bool) -> dict[str, Any]:
        """Where a new version of the function comes from: commit, branch and dirty, outside of a checkout nothing.

        Args:
            wait: Whether to wait for git; where it is not through, the files of the checkout say the commit alone.
        """
        git = (self.settle() if wait else self.facts()).get("git")
        if git is None:
            git = {} if self._top is None else {"commit": head.commit_of(self._top)}
        return {name: git[name] for name in ("commit", "branch", "dirty") if git.get(name)}

    def keep(self, database: Database) -> None:
        """Keep what runs only name by its digest: the list of packages, and the patch."""
        kept = (database, self._facts.get("packages"), (self._git or {}).get("patch", ""))
        if kept == self._kept:
            return
        database.put_content(package_set()[1])
        if kept[2]:
            database.put_content(self._patch)
        self._kept = kept

    def late(self, database: Database, uid: str) -> dict[str, Any] | None:
        """What a run that ends now has to be told, because git was not through when it began.

        Where git is still not through, the run is told when it is, or when this process ends.
        """
        if self._probe is None:
            return None
        if self._checkout() is None:
            if not self._owed:
                atexit.register(self._pay)
            self._owed.append((database, uid))
            return None
        self.keep(database)
        return {"git": self._git}

    def _checkout(self) -> dict[str, Any] | None:
        """The checkout as runs record it; None while git is not through, empty outside of a checkout."""
        if self._probe is None or self._top is None:
            return {}
        if self._git is None and (found := self._probe.poll()) is not None:
            from framework.engine.capture.patches import described

            self._git, self._patch = described(found, self._top, self._files, self._maskers())
            if not self._git["commit"]:
                self._git["commit"] = head.commit_of(self._top)
            self._pay()
        return self._git

    def _maskers(self) -> list[Masker]:
        return [secrets_here(), *([self._masker] if self._masker is not None else [])]

    def _look_again(self) -> None:
        """Where some time has passed: find anew what has changed."""
        now = time.monotonic()
        if now - self._looked < _FRESH:
            return
        self._looked, self._folder = now, ""
        if self._top is not None and (signature := head.signature(self._top)) != self._head:
            self._head, self._git = signature, None
            self._probe = _probe(self._top, anew=True)

    def _pay(self) -> None:
        """Tell the runs that began before git was through."""
        from framework_run.events import observed

        owed, self._owed = self._owed, []
        if not owed:
            return
        atexit.unregister(self._pay)
        self.settle()
        for database, uid in owed:
            self.keep(database)
            database.apply(uid, [observed({"uid": uid}, "client", {"git": self._git or {}})])


def _probe(top: Path, *, anew: bool = False) -> Probe:
    """Git's answer about a checkout: asked for now, or a moment ago by another function."""
    from framework.engine.capture.repository import Probe

    now = time.monotonic()
    asked = _probes.get(top)
    if asked is None or anew or now - asked[0] >= _FRESH:
        asked = _probes[top] = (now, Probe(top))
    return asked[1]


@cache
def _system() -> dict[str, Any]:
    from framework_run import surroundings

    command = masked_words(sys.argv[:_WORDS], secrets_here())
    return {**surroundings.system(), "host": platform.node(), "command": command}


def package_set() -> tuple[str, bytes]:
    """The digest and the text of the list of packages that this process can import."""
    from framework_run import surroundings

    key = tuple((path, _changed(path)) for path in sys.path)
    found = _packages.get(key)
    if found is None:
        lines = surroundings.packages(sys.path)
        _packages.clear()
        found = _packages[key] = (surroundings.digest_of(lines), surroundings.text_of(lines))
    return found


def _changed(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns  # noqa: PTH116  once a second
    except OSError:
        return 0
