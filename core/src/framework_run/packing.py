"""What a handler returns and logs, as results and artifacts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from framework_run.errors import PackingError, StorageError, did_you_mean
from framework_run.plain import plain

_INLINE: Final[dict[str, Any]] = {"target": "framework_run.inlinestore:Store"}
_DATA_SETS: Final = "log_dataset keeps data, log_model a model, log_artifact anything else."


class Packer:
    """Writes what a run makes, and keeps it in the run's storage.

    Args:
        submission: The submission; ``artifacts.storage`` names the storage. Without one, content goes into events.
    """

    def __init__(self, submission: Mapping[str, Any]) -> None:
        self._storage = (submission.get("artifacts") or {}).get("storage") or _INLINE
        self._store: Any = None

    def returned(self, value: Any, returns: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of a return value: artifacts first, then all results in one.

        Args:
            value: What the handler returned.
            returns: What its parts are called: ``key`` or ``key:format``. Without, the whole is called ``return``.

        Raises:
            PackingError: The names do not fit the value, or a part cannot be kept.
            StorageError: An artifact could not be stored.
        """
        names = [_split(text) for text in returns]
        results = {}
        for key, format_, part in _parts(value, names):
            is_result, simple = (False, None) if format_ or hasattr(part, "__fspath__") else _try_plain(part)
            if is_result:
                results[key] = simple
            else:
                yield "artifact", self.artifact(key, part, format=format_)
        if results:
            yield "result", {"values": results}

    def artifact(
        self,
        key: str,
        value: Any,
        *,
        type: str = "",  # noqa: A002  the word of the artifact's document
        format: str = "",  # noqa: A002  likewise
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write one artifact and keep it.

        Returns:
            The data of an ``artifact`` event.

        Raises:
            PackingError: It cannot be written so.
            StorageError: It could not be stored.
        """
        about = plain_result(key, dict(metadata or {}))
        path = _path_of(value, format)
        if path is not None:
            return self._file(key, path, type, about)
        from framework_run.formats import FORMATS, describe, guess

        guessed, native = guess(value)
        chosen = format or native
        if chosen not in FORMATS:
            known = sorted([*FORMATS, "file"])
            raise PackingError(
                f"artifact {key!r}: there is no format {chosen!r}.{did_you_mean(chosen, known)}",
                advice=f"Formats: {', '.join(known)}.",
            )
        suffix, write = FORMATS[chosen]
        with _Folder(key) as folder:
            target = os.path.join(folder, "content")  # noqa: PTH118  pathlib is slow to import
            _write(key, value, chosen, write, target)
            kept = self._keep(key, target)
        name = key.replace("\\", "/").rpartition("/")[2] + suffix
        return {
            "key": key,
            "type": type or guessed,
            "format": chosen,
            "name": name,
            "metadata": {**describe(value), **about},
            **kept,
        }

    def _file(self, key: str, path: str, type_: str, about: dict[str, Any]) -> dict[str, Any]:
        name = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119  pathlib is slow to import
        described = {"key": key, "name": name, "metadata": about}
        if os.path.isdir(path):  # noqa: PTH112
            with _Folder(key) as folder:
                packed = os.path.join(folder, "content")  # noqa: PTH118
                try:
                    _tar(path, packed)
                except OSError as error:
                    raise _not_stored(key, error) from error
                return {**described, "type": type_ or "folder", "format": "tar", **self._keep(key, packed)}
        if not os.path.isfile(path):  # noqa: PTH113
            raise PackingError(
                f"artifact {key!r}: there is no file {path!r} in {os.getcwd()!r}",  # noqa: PTH109
                advice="A string is a path; give format='text' to keep the string itself.",
            )
        format_ = os.path.splitext(name)[1].lstrip(".").lower()  # noqa: PTH122
        return {**described, "type": type_ or "file", "format": format_, **self._keep(key, path)}

    def _keep(self, key: str, path: str) -> dict[str, Any]:
        """Digest, size in bytes, and uri or content."""
        try:
            if self._store is None:
                from framework_run.targets import resolve

                self._store = resolve(self._storage["target"])(**(self._storage.get("options") or {}))
            stored = self._store.put(path)
        except MemoryError:
            raise
        except StorageError as error:  # it says all that there is to say
            raise _not_stored(key, error) from None
        except Exception as error:
            raise _not_stored(key, error) from error
        place = "content" if "content" in stored else "uri"
        return {place: str(stored[place]), "digest": str(stored["digest"]), "size": int(stored["size"])}


def plain_result(key: str, value: Any) -> Any:
    """A value as JSON can carry it, or an error that names the key and says what keeps such a value.

    Raises:
        PackingError: JSON cannot carry it.
    """
    try:
        return plain(value)
    except TypeError as error:
        raise PackingError(f"result {key!r}: {error}", advice=_mend(value)) from None


class _Folder:
    """A temporary folder that is gone afterwards, whatever happens."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._path = ""

    def __enter__(self) -> str:
        import tempfile

        try:
            self._path = tempfile.mkdtemp(prefix="framework-artifact-")
        except OSError as error:
            raise _not_stored(self._key, error) from error
        return self._path

    def __exit__(self, *_: object) -> None:
        import shutil

        shutil.rmtree(self._path, ignore_errors=True)


def _write(key: str, value: Any, format_: str, write: Any, target: str) -> None:
    from framework_run.formats import type_name

    try:
        write(value, target)
    except MemoryError:
        raise
    except OSError as error:
        raise _not_stored(key, error) from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        advice = "Keep what pickle can write, such as its state, or name another format, as in returns=['key:json']."
        raise PackingError(
            f"artifact {key!r}: a {type_name(value)} cannot be written as {format_}: {reason}",
            advice=advice
            if format_ == "pickle"
            else "Name a format that fits the value, or write a file and keep that.",
        ) from error


def _not_stored(key: str, error: Exception) -> StorageError:
    import errno

    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}
    advice = "Free space on the disk, and run it again." if full else "Mend the storage, and run it again."
    return StorageError(
        f"artifact {key!r} could not be stored: {reason}", advice=getattr(error, "advice", "") or advice
    )


def _split(text: str) -> tuple[str, str]:
    key, _, format_ = text.partition(":")
    if not key.strip():
        raise PackingError(f"returns: {text!r} names nothing", advice="Write key, or key:format.")
    return key.strip(), format_.strip()


def _parts(value: Any, names: list[tuple[str, str]]) -> Iterator[tuple[str, str, Any]]:
    """Key, format and value of each part."""
    if not names:
        if value is not None:
            yield "return", "", value
        return
    keys = [key for key, _ in names]
    if isinstance(value, dict) and (len(names) > 1 or keys[0] in value):
        for key, format_ in names:
            if key not in value:
                raise PackingError(
                    f"returns names {key!r}, which is not in the mapping that was returned."
                    f"{did_you_mean(key, [name for name in value if isinstance(name, str)])}",
                    advice="Return it, or take it out of returns.",
                )
            yield key, format_, value[key]
    elif len(names) == 1:
        yield *names[0], value
    elif isinstance(value, (tuple, list)) and len(value) == len(names):
        for (key, format_), part in zip(names, value, strict=True):
            yield key, format_, part
    else:
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else f"one {type(value).__qualname__}"
        raise PackingError(
            f"returns names {len(names)} values ({', '.join(keys)}), but {got} came back",
            advice="Return a tuple of as many values, or a mapping with these keys.",
        )


def _try_plain(value: Any) -> tuple[bool, Any]:
    try:
        return True, plain(value)
    except TypeError:
        return False, None


def _path_of(value: Any, format_: str) -> str | None:
    """The path that a value is, or None for an object."""
    if format_ == "file" or hasattr(value, "__fspath__"):
        return os.fsdecode(value)
    return value if isinstance(value, str) and not format_ else None


def _mend(value: Any) -> str:
    from framework_run.formats import guess

    if isinstance(value, (set, frozenset)):
        return "Make it a list: sorted(...)."
    kind = guess(value)[0]
    if kind == "dataset":
        return "log_dataset keeps data; a small array is kept as a list: .tolist()."
    return "log_artifact keeps a figure." if kind == "plot" else _DATA_SETS


def _tar(folder: str, target: str) -> None:
    from framework_run.folders import pack

    with open(target, "xb") as file:  # noqa: PTH123  pathlib is slow to import
        pack(folder, file)
