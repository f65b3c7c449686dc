"""Inputs that are tables."""

from __future__ import annotations

from typing import Any, Final

from framework_run.errors import BindingError

_READERS: Final = {"csv": "read_csv", "parquet": "read_parquet", "pq": "read_parquet", "json": "read_json"}


def is_frame(annotation: Any) -> bool:
    """Whether an annotation is pandas' data frame, which then is imported already."""
    module = str(getattr(annotation, "__module__", ""))
    return getattr(annotation, "__name__", "") == "DataFrame" and module.partition(".")[0] == "pandas"


def read(name: str, path: str) -> Any:
    """The data frame in a file.

    Args:
        name: The input's name.
        path: A csv, parquet or json file; a suffix such as ``.gz`` may follow.

    Raises:
        BindingError: The suffix says nothing, or the file holds no such table.
    """
    import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # the library that this is for

    words = path.lower().rsplit(".", 2)[1:]
    method = next((_READERS[word] for word in reversed(words) if word in _READERS), None)
    if method is None:
        raise BindingError(
            f"the input {name!r} is {path!r}, and the suffix does not say how to read a table from it",
            advice="Give a .csv, .parquet or .json file, or annotate the parameter Path.",
        )
    try:
        return getattr(pd, method)(path)
    except (ValueError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BindingError(f"the input {name!r}, {path!r}, holds no table: {reason}") from error
