"""Returned values become results and artifacts, objects become files, files go to the storage."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

from framework_run.context import plain
from framework_run.numbers import encode

if TYPE_CHECKING:
    from framework_run.context import Context

INLINE_LIMIT = 4 << 20  # bytes, compressed, a run


class PackingError(Exception):
    """A value that cannot be kept: the user's error."""


class StorageFailure(Exception):  # noqa: N818  told apart from the user's errors
    """The storage did not take it: not the user's error."""


def pack_return(context: Context, value: Any, returns: list[str]) -> None:
    """Keep what a handler returned.

    Args:
        context: The run's context.
        value: What was returned; None is nothing.
        returns: Names such as ``accuracy`` or ``model:pickle``; with one name the whole value is called so, with several a tuple's items or
            a dictionary's keys are.

    Raises:
        PackingError: It cannot be kept, or does not fit the names.
    """
    if value is None and not returns:
        return
    for name, item in _named(value, returns):
        key, _, format_ = name.partition(":")
        if format_ or not _is_result(item):
            pack(context, key, item, format=format_)
        else:
            context.log_result(key, item)


def _named(value: Any, returns: list[str]) -> list[tuple[str, Any]]:
    if not returns:
        return [("return", value)]
    names = [name.partition(":")[0] for name in returns]
    if isinstance(value, dict) and set(names) <= set(value):
        return [(name, value[key]) for name, key in zip(returns, names)]
    if len(returns) == 1:
        return [(returns[0], value)]
    if not isinstance(value, (tuple, list)) or len(value) != len(returns):
        raise PackingError(
            f"the handler returned {type(value).__name__} where {len(returns)} values ({', '.join(names)}) are named"
        )
    return list(zip(returns, value))


def _is_result(value: Any) -> bool:
    try:
        encode(plain(value))
    except TypeError:
        return False
    return True


def pack(
    context: Context, key: str, value: Any, *, type: str = "", format: str = "", metadata: dict[str, Any] | None = None
) -> None:  # noqa: A002  as in Context
    """Keep a value as an artifact, and say so in an event.

    Raises:
        PackingError: It cannot be turned into a file.
        StorageFailure: The storage did not take the file.
    """
    with tempfile.TemporaryDirectory(prefix="framework-") as folder:
        path, found_type, found_format = _file(key, value, format, folder)
        kept = _store(context, path)
    context.emit(
        "artifact",
        {
            "key": key,
            "type": type or found_type,
            "format": format or found_format,
            "name": os.path.basename(path),
            "metadata": encode(plain(metadata or {})),
            **kept,
        },
    )


def _file(key: str, value: Any, format_: str, folder: str) -> tuple[str, str, str]:
    """The path of a file with the value in it, its type and its format."""
    if isinstance(value, os.PathLike) or (isinstance(value, str) and not format_ and os.path.exists(value)):
        path = os.fspath(value)
        if not os.path.exists(path):
            raise PackingError(f"the artifact {key!r} is the path {path!r}, which is not there")
        return path, "folder" if os.path.isdir(path) else "file", os.path.splitext(path)[1].lstrip(".")
    name = type(value).__module__.partition(".")[0] + "." + type(value).__qualname__
    stem = os.path.join(folder, key.replace("/", "_"))
    try:
        return _write(name, value, format_, stem)
    except OSError as error:
        raise StorageFailure(f"the artifact {key!r} could not be written: {error}") from error
    except Exception as error:  # pickle raises what it likes
        raise PackingError(f"{key!r} of type {name} cannot be kept: {error}") from error


def _write(name: str, value: Any, format_: str, stem: str) -> tuple[str, str, str]:
    if name == "pandas.DataFrame" and format_ in ("", "csv", "parquet"):
        return _table(value, format_, stem)
    if name == "numpy.ndarray" and format_ in ("", "npy"):
        import numpy as np

        np.save(f"{stem}.npy", value, allow_pickle=False)
        return f"{stem}.npy", "dataset", "npy"
    if name.startswith("matplotlib.") and hasattr(value, "savefig"):
        suffix = format_ or "png"
        value.savefig(f"{stem}.{suffix}")
        return f"{stem}.{suffix}", "plot", suffix
    if isinstance(value, (str, bytes)) and format_ != "pickle":
        suffix = format_ or ("txt" if isinstance(value, str) else "bin")
        with open(f"{stem}.{suffix}", "wb") as stream:
            stream.write(value.encode() if isinstance(value, str) else value)
        return f"{stem}.{suffix}", "file", suffix
    if format_ == "json":
        import json

        with open(f"{stem}.json", "w", encoding="utf-8") as text:
            json.dump(encode(plain(value)), text)
        return f"{stem}.json", "file", "json"
    import pickle

    with open(f"{stem}.pickle", "wb") as stream:
        pickle.dump(value, stream)
    return f"{stem}.pickle", "object", "pickle"


def _table(value: Any, format_: str, stem: str) -> tuple[str, str, str]:
    if format_ != "csv":
        try:
            value.to_parquet(f"{stem}.parquet")
        except ImportError:
            if format_:
                raise
        else:
            return f"{stem}.parquet", "dataset", "parquet"
    value.to_csv(f"{stem}.csv", index=False)
    return f"{stem}.csv", "dataset", "csv"


def _store(context: Context, path: str) -> dict[str, Any]:
    storage = (context._submission.get("artifacts") or {}).get("storage")  # noqa: SLF001  the two are one subject
    try:
        if storage is None:
            return _inline(context, path)
        module, _, name = storage["target"].partition(":")
        import importlib

        store = getattr(importlib.import_module(module), name)(**storage.get("options", {}))
        kept: dict[str, Any] = store.put(path)
    except OSError as error:
        raise StorageFailure(f"the storage did not take {path!r}: {error}") from error
    return kept


def _inline(context: Context, path: str) -> dict[str, Any]:
    """The content itself, for a run that can reach no storage."""
    import base64
    import hashlib
    import zlib

    if os.path.isdir(path):
        raise PackingError(f"{path!r} is a folder: without a storage only files come back; pack it into one")
    with open(path, "rb") as stream:
        content = stream.read()
    packed = zlib.compress(content)
    used = getattr(context, "inline_bytes", 0) + len(packed)
    if used > INLINE_LIMIT:
        raise PackingError(
            f"{os.path.basename(path)!r} brings the run beyond {INLINE_LIMIT >> 20} MiB without a storage; set one"
        )
    context.inline_bytes = used  # type: ignore[attr-defined]  counted where the content is
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    return {"digest": digest, "size": len(content), "content": base64.b64encode(packed).decode()}
