"""Documents become objects: strictly what people write, leniently what a database keeps.

One cattrs converter each, whose hooks are made for a class when it is first used; cattrs itself is imported then, too.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from framework.documents.dump import dump
from framework.errors import DocumentError

__all__ = ["dump", "load", "read_yaml", "structure", "to_json"]

T = TypeVar("T")

MAX_LINES = 12  # of what is wrong with one document


def read_yaml(text: str, cls: type[T], *, source: str = "the document") -> T:
    """An object from YAML or JSON that somebody wrote.

    Args:
        text: One document.
        cls: An attrs class.
        source: The file, for messages.

    Raises:
        DocumentError: It does not parse (with file:line:column), or does not fit the class (with every place).
    """
    from framework.documents import yaml

    return structure(yaml.read(text, source=source), cls, source=source, text=text)


def structure(data: Any, cls: type[T], *, source: str = "the document", at: str = "$", text: str = "") -> T:
    """An object from a document that somebody wrote: unknown keys and values of another type are refused.

    Args:
        data: The document.
        cls: An attrs class.
        source: What messages call it.
        at: The path of the document in a greater one.
        text: The text that it was read from, to say lines.

    Raises:
        DocumentError: It does not fit. Each line has the path, the value, what is wanted, and the nearest valid name.
    """
    from framework.documents.strict import converter, problems

    try:
        obj: T = converter().structure(data, cls)
    except Exception as error:  # noqa: BLE001  also what the validators of an options class raise
        found = problems(error, cls, at)
    else:
        return obj
    lines = _lines(text)
    rows = [f"  {problem.path}{lines.get(problem.path, '')}: {problem.message}" for problem in found[:MAX_LINES]]
    rows += [f"  … and {len(found) - MAX_LINES} more"] if len(found) > MAX_LINES else []
    raise DocumentError("\n".join([f"{source} does not fit {cls.__name__}:", *rows]), advice=found[0].advice)


def load(document: dict[str, Any], cls: type[T]) -> T:
    """An object from a document that a database kept.

    What a newer version wrote is accepted: unknown keys, at any level, are kept with the object that they were found
    in, and `dump` writes them back. Change the object in place; a copy of it has none of them.

    Args:
        document: The document.
        cls: An attrs class.

    Raises:
        DocumentError: It lacks what the class cannot do without.
    """
    from framework.documents.lenient import converter

    try:
        obj: T = converter().structure(document, cls)
    except Exception as error:  # noqa: BLE001  a damaged document fails in many ways
        raise DocumentError(
            f"the database's document is no {cls.__name__}: {type(error).__name__}: {error}",
            advice="Was it changed by hand? Delete it, or restore a backup.",
        ) from None
    return obj


def to_json(obj: Any) -> str:
    """The document of an object as JSON text."""
    return json.dumps(dump(obj), ensure_ascii=False, allow_nan=False)


def _lines(text: str) -> dict[str, str]:
    if not text:
        return {}
    from framework.documents import yaml

    return {path: f" (line {line})" for path, line in yaml.lines(text).items()}
