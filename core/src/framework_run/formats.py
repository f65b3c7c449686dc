"""How objects are written into files: the formats of artifacts, and which one a value gets by itself.

Libraries are known by the names of their classes, so that none is imported to look at a value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

_FRAMES: Final = {"pandas.core.frame.DataFrame", "pandas.DataFrame"}
_SERIES: Final = {"pandas.core.series.Series", "pandas.Series"}
_ARRAYS: Final = {"numpy.ndarray"}
_FIGURES: Final = {"matplotlib.figure.Figure"}


def _pickle(value: Any, path: str) -> None:
    import pickle

    with _new(path) as file:
        pickle.dump(value, file, protocol=5)


def _json(value: Any, path: str) -> None:
    import json

    from framework_run.plain import plain

    with _new(path) as file:
        file.write(json.dumps(plain(value), indent=1).encode("ascii"))


def _text(value: Any, path: str) -> None:
    with _new(path) as file:
        file.write(str(value).encode("utf-8", "surrogateescape"))


def _bytes(value: Any, path: str) -> None:
    with _new(path) as file:
        file.write(value)


def _csv(value: Any, path: str) -> None:
    frame = value.to_frame() if _is(value, _SERIES) else value
    if not _is(frame, _FRAMES):
        raise TypeError("only a pandas data frame is written as csv")
    # An index that only counts the rows is no data; one with a name is a column that was made the index.
    counts = type(frame.index).__name__ == "RangeIndex" and frame.index.name is None
    frame.to_csv(path, index=not counts)


def _parquet(value: Any, path: str) -> None:
    frame = value.to_frame(name=value.name or "value") if _is(value, _SERIES) else value
    if not _is(frame, _FRAMES):
        raise TypeError("only a pandas data frame is written as parquet")
    frame.to_parquet(path)


def _npy(value: Any, path: str) -> None:
    import numpy as np  # type: ignore[import-not-found,unused-ignore]  # the library that this format is for

    with _new(path) as file:
        np.save(file, np.asarray(value), allow_pickle=False)


def _image(kind: str) -> Callable[[Any, str], None]:
    def write(value: Any, path: str) -> None:
        value.savefig(path, format=kind)

    return write


FORMATS: Final[dict[str, tuple[str, Callable[[Any, str], None]]]] = {
    "pickle": (".pkl", _pickle),
    "json": (".json", _json),
    "text": (".txt", _text),
    "bytes": (".bin", _bytes),
    "csv": (".csv", _csv),
    "parquet": (".parquet", _parquet),
    "npy": (".npy", _npy),
    "png": (".png", _image("png")),
    "svg": (".svg", _image("svg")),
}
"""The name of each format, its suffix, and what writes a value into a new file."""


def guess(value: Any) -> tuple[str, str]:
    """The type and the format that a value gets when nobody says.

    Args:
        value: Any object but a path.

    Returns:
        The artifact's type (dataset, plot, file, object) and a key of `FORMATS`.
    """
    if _is(value, _FRAMES) or _is(value, _SERIES):
        return "dataset", "parquet" if _installed("pyarrow") else "csv"
    if _is(value, _ARRAYS) and not value.dtype.hasobject:
        return "dataset", "npy"
    if _is(value, _FIGURES):
        return "plot", "png"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "file", "bytes"
    return "object", "pickle"


def describe(value: Any) -> dict[str, Any]:
    """What is worth knowing of a value without opening it: rows and columns, shape, class and library; JSON."""
    if _is(value, _FRAMES):
        columns = {str(name): str(dtype) for name, dtype in zip(value.columns, value.dtypes, strict=True)}
        return {"rows": len(value), "columns": columns}
    if _is(value, _ARRAYS):
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, (bytes, bytearray, memoryview, str)):
        return {}
    library = type(value).__module__.partition(".")[0]
    version = getattr(sys.modules.get(library), "__version__", None)
    return {"class": type_name(value), **({"library": f"{library} {version}"} if isinstance(version, str) else {})}


def type_name(value: Any) -> str:
    """The dotted name of a value's class, without ``builtins``."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is(value: Any, names: set[str]) -> bool:
    return any(f"{base.__module__}.{base.__qualname__}" in names for base in type(value).__mro__)


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return module in sys.modules or find_spec(module) is not None


def _new(path: str) -> Any:
    return open(path, "xb")  # noqa: PTH123  pathlib is slow to import; the callers close it
