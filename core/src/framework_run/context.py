"""The context: what a handler knows of its run, and how it speaks to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    import logging
    from os import PathLike
    from pathlib import Path

    from framework_run.packing import Packer
    from framework_run.points import Points
    from framework_run.progress import Progress

T = TypeVar("T")
Emit = Callable[[str, dict[str, Any], "str | None"], None]
"""Takes a kind, its data, and the uid of the child run that it belongs to."""


class Context:
    """The run that this code is in.

    Args:
        submission: The submission, or its parts run, params (the values, not encoded), inputs, labels and artifacts.
        emit: Where events go; None for a context outside of any run, which checks what it is given and keeps nothing.
        timer: A thread may be started for half a second, to send metric points that wait.
        child: The uid of the child run that it speaks for.
    """

    __slots__ = (
        "__weakref__",
        "_child",
        "_emit",
        "_inputs",
        "_labels",
        "_logger",
        "_once",
        "_packer",
        "_params",
        "_points",
        "_progress",
        "_run",
        "_submission",
        "_timer",
    )

    def __init__(
        self, submission: dict[str, Any], emit: Emit | None, *, timer: bool = True, child: str | None = None
    ) -> None:
        self._submission = submission
        self._run: dict[str, Any] = submission.get("run") or {}
        self._emit = emit
        self._child = child
        self._params: dict[str, Any] | None = None
        self._inputs: dict[str, Path] | None = None
        self._labels: dict[str, str] | None = None
        self._logger: logging.Logger | None = None
        self._packer: Packer | None = None
        self._once: dict[str, Points] = {}
        self._points: Points | None = None  # made for the first point: most handlers log none
        self._timer = timer and emit is not None
        self._progress: Progress | None = None

    if not TYPE_CHECKING:  # a name that is not there is still an error to whoever checks types

        def __getattr__(self, name: str) -> Any:
            """What the kind gives its handlers beside, such as ``dask_client``."""
            if name.startswith("_"):  # a slot that is not filled yet
                raise AttributeError(name)
            from framework_run.extensions import extension

            return extension(self._submission.get("extensions") or {}, name)

    @property
    def uid(self) -> str:
        """The run's uid; empty outside of a run."""
        return str(self._run.get("uid", ""))

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self._run.get("name", ""))

    @property
    def project(self) -> str:
        """The project that the run is in."""
        return str(self._run.get("project", "default"))

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return int(self._run.get("attempt", 1))

    @property
    def iteration(self) -> int:
        """Which iteration of a sweep this is; 0 outside of one."""
        return int(self._run.get("iteration", 0))

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that were given: as the handler's annotations made them, or in a script as they came."""
        if self._params is None:
            self._params = dict(self._submission.get("params") or {})
        return self._params

    @params.setter
    def params(self, values: dict[str, Any]) -> None:
        self._params = values

    @property
    def inputs(self) -> dict[str, Path]:
        """The inputs: name to path."""
        if self._inputs is None:
            from pathlib import Path

            given = self._submission.get("inputs") or {}
            self._inputs = {name: Path(entry["path"]) for name, entry in given.items()}
        return self._inputs

    @property
    def labels(self) -> dict[str, str]:
        """The run's labels, with those set here."""
        if self._labels is None:
            self._labels = dict(self._submission.get("labels") or {})
        return self._labels

    @property
    def artifact_path(self) -> str:
        """Where the artifacts of this run go: a folder or a URL; empty where the project's storage decides."""
        return str((self._submission.get("artifacts") or {}).get("path", ""))

    @property
    def logger(self) -> logging.Logger:
        """A logger that writes to standard error, and so into the run's log; its level is INFO."""
        if self._logger is None:
            from framework_run.logger import make

            self._logger = make(self.name or "run")
        return self._logger

    def log_result(self, key: str, value: Any) -> None:
        """Keep a result. The last one of a key stands.

        Args:
            key: Its name.
            value: None, a bool, number, string, date, or a list or mapping of such; numpy's scalars count as numbers.

        Raises:
            PackingError: JSON cannot carry the value.
        """
        self.log_results({key: value})

    def log_results(self, results: Mapping[str, Any]) -> None:
        """Keep several results at once.

        Args:
            results: Name to value, as for `log_result`.

        Raises:
            PackingError: JSON cannot carry a value, or it is too large; none of them is kept.
        """
        from framework_run.packing import plain_result

        self._send("result", {"values": {_key(key): plain_result(key, value) for key, value in results.items()}})

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        """Keep one point of a metric. Many points are sent together, at least every half second.

        Args:
            key: The metric's name.
            value: A number, or what `float` makes one.
            step: Its step; one more than the last one's unless told, from 0.

        Raises:
            PackingError: The value or the step is no number.
        """
        if type(value) is not float or (type(step) is not int and step is not None) or type(key) is not str:
            key, value, step = _point(key, value, step)
        points = self._points or self._made_points()
        points.add(key, value, step)

    def log_artifact(
        self,
        key: str,
        value: str | PathLike[str] | Any,
        *,
        type: str = "",  # noqa: A002  the word of the artifact's document
        format: str = "",  # noqa: A002  likewise
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Keep a file, a folder or an object.

        Args:
            key: The artifact's name.
            value: The path of a file or folder (a path or a string), or an object: a data frame, an array, a figure,
                bytes, or anything that pickle can write.
            type: file, folder, dataset, model, plot or object; told by the value unless given.
            format: How an object is written: see `framework_run.formats.FORMATS`; told by the value unless given.
            metadata: What else is to be known of it; as JSON can carry it.

        Returns:
            The artifact as it was recorded: key, type, format, name, digest, size in bytes, and uri where it has one.

        Raises:
            PackingError: It cannot be written so.
            StorageError: It could not be stored.
        """
        if self._emit is None:
            return {"key": _key(key)}
        data = self._packing().artifact(_key(key), value, type=type, format=format, metadata=metadata)
        self._send("artifact", data)
        return {name: part for name, part in data.items() if name != "content"}

    def log_dataset(
        self,
        key: str,
        value: Any,
        *,
        format: str = "",  # noqa: A002  the word of the artifact's document
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Keep a data set: a data frame, an array, or the path of a file; as `log_artifact` with type ``dataset``."""
        return self.log_artifact(key, value, type="dataset", format=format, metadata=metadata)

    def log_model(
        self,
        key: str,
        value: Any,
        *,
        format: str = "",  # noqa: A002  the word of the artifact's document
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Keep a model: an object, or the path of its file or folder. As `log_artifact` with the type ``model``."""
        return self.log_artifact(key, value, type="model", format=format, metadata=metadata)

    def set_label(self, key: str, value: str) -> None:
        """Label the run.

        Args:
            key: The label's name.
            value: Its text; anything else is written as text.
        """
        self.labels[_key(key)] = str(value)
        self._send("label", {"labels": {key: str(value)}})

    @overload
    def progress(self, done: float, total: float | None = None, *, unit: str = "", text: str = "") -> None: ...
    @overload
    def progress(
        self, done: Iterable[T], total: float | None = None, *, unit: str = "", text: str = ""
    ) -> Iterator[T]: ...
    def progress(
        self, done: float | Iterable[T], total: float | None = None, *, unit: str = "", text: str = ""
    ) -> Iterator[T] | None:
        """Say how far it is: a number, or ``for item in context.progress(items)``.

        May be called as often as one likes: ten times a second is what is sent.

        Args:
            done: How much is done; or items, which are given back one by one and counted.
            total: Of how much; of items, their number where it can be told.
            unit: What is counted.
            text: What is being done.
        """
        if self._progress is None:
            from framework_run.progress import Progress

            self._progress = Progress(lambda data: self._send("progress", data))
        if hasattr(done, "__iter__"):
            return self._progress.over(done, total, unit, text)
        self._progress.say(done, total, unit, text)
        return None

    @contextmanager
    def child_run(self, name: str, params: Mapping[str, Any] | None = None) -> Iterator[Context]:
        """Open a run within this one: its results, metrics and artifacts are its own. It ends with the block.

        An exception ends the child as failed and goes on to the block's surroundings.

        Args:
            name: The child's name.
            params: Its parameters, as JSON can carry them.
        """
        from framework_run import ends
        from framework_run.outcome import ending
        from framework_run.packing import plain_result
        from framework_run.slot import reset, set_current
        from framework_run.uid import new_uid

        uid = new_uid()
        given = {_key(key): plain_result(key, value) for key, value in (params or {}).items()}
        run = {**self._run, "uid": uid, "name": name}
        child = Context({**self._submission, "run": run, "params": given}, self._emit, timer=self._timer, child=uid)
        child._send("child", {"uid": uid, "name": name, "params": given})
        child._packer = self._packing()  # one store for all: its limit is the run's
        token = set_current(child)
        end = ends.completed()
        try:
            yield child
        except BaseException as error:
            end = ending(error)
            raise
        finally:
            reset(token)
            child.flush()
            child._send("end", end)

    def keep_returned(self, value: Any, returns: Iterable[str]) -> None:
        """Keep what the handler returned; the runner calls it.

        Args:
            value: What it returned.
            returns: What the parts are called: ``key`` or ``key:format``.

        Raises:
            PackingError: The names do not fit the value, or a part cannot be kept.
            StorageError: An artifact could not be stored.
        """
        if value is None and not returns:
            return
        for kind, data in self._packing().returned(value, returns):
            self._send(kind, data)

    def flush(self) -> None:
        """Send what waits in buffers."""
        if self._points is not None:
            self._points.flush()

    def before_fork(self) -> None:
        """Called before this process is forked."""
        if self._points is not None:
            self._points.before_fork()

    def after_fork(self) -> None:
        """Called in a forked child."""
        if self._points is not None:
            self._points.after_fork()

    def _made_points(self) -> Points:
        from framework_run.points import Points

        made = self._once.setdefault("points", Points(self._send, timer=self._timer))  # atomic: one for all threads
        self._points = made
        return made

    def _packing(self) -> Packer:
        if self._packer is None:
            from framework_run.packing import Packer

            self._packer = Packer(self._submission)
        return self._packer

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        if self._emit is not None:
            self._emit(kind, data, self._child)

    def __repr__(self) -> str:
        return f"<Context of run {self.name} {self.uid}>" if self._run else "<Context outside of a run>"


def _key(key: Any) -> str:
    if isinstance(key, str) and key:
        return key
    from framework_run.errors import PackingError

    raise PackingError(f"a key has to be a text, not {key!r}")


def _point(key: Any, value: Any, step: Any) -> tuple[str, float, int | None]:
    from framework_run.errors import PackingError

    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise PackingError(f"metric {key!r}: {value!r} is no number; log_result keeps other values") from None
    try:
        at = None if step is None else step.__index__()
    except AttributeError:
        raise PackingError(f"metric {key!r}: the step {step!r} is no whole number") from None
    return _key(key), number, at


def _each(method: str) -> Callable[[], None]:
    def call() -> None:
        # Looked up in sys.modules: nothing can be active in a process that never imported the slot.
        slot = sys.modules.get("framework_run.slot")
        for context in slot.active() if slot else ():
            getattr(context, method)()

    return call


def _register() -> None:
    import os

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_each("before_fork"), after_in_child=_each("after_fork"))


_register()
