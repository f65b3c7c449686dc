"""Conditions such as ``results.accuracy > 0.9 and params.depth = 3``: a small parsed grammar, no eval."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from framework.databases import Condition, Document
from framework.errors import ConditionError
from framework_run.numbers import decode

SECTIONS: Final = ("params", "results", "metrics", "labels")
FIELDS: Final = ("name", "state", "cause", "kind", "project", "created", "started", "ended", "duration")
_CLAUSE = re.compile(r"\s*([A-Za-z_][\w.\-/]*)\s*(<=|>=|!=|==|=|<|>|~)\s*(\"[^\"]*\"|'[^']*'|[^\s]+)\s*")
_AND = re.compile(r"and\b\s*", re.IGNORECASE)
_MISSING: Final = object()


def parse(text: str) -> list[Condition]:
    """The conditions of a text, all of which have to hold.

    Raises:
        ConditionError: It does not parse; the message shows where.
    """
    conditions = []
    place = 0
    while True:
        match = _CLAUSE.match(text, place)
        if match is None:
            raise _error(text, place, "here FIELD OPERATOR VALUE is expected")
        field, operator, value = match.groups()
        _check_field(text, match.start(1), field)
        conditions.append(Condition(field=field, operator="=" if operator == "==" else operator, value=_value(value)))
        place = match.end()
        if place == len(text):
            return conditions
        joint = _AND.match(text, place)
        if joint is None:
            raise _error(text, place, "here 'and' or the end is expected")
        place = joint.end()


def matches(condition: Condition, run: Document) -> bool:
    """Whether a run's document fits: the reference that every database has to equal."""
    return holds(condition, value_of(run, condition.field))


def holds(condition: Condition, value: Any) -> bool:
    """Whether a value fits; one that is missing fits ``!=`` alone."""
    wanted, operator = condition.value, condition.operator
    if operator == "!=":
        return not (_alike(value, wanted) and value == wanted)
    if operator == "=":
        return _alike(value, wanted) and bool(value == wanted)
    if operator == "~":
        return isinstance(value, str) and fnmatchcase(value, str(wanted))
    if not _alike(value, wanted) or isinstance(value, bool) or value is None:
        return False
    return {
        "<": lambda: value < wanted,
        "<=": lambda: value <= wanted,
        ">": lambda: value > wanted,
        ">=": lambda: value >= wanted,
    }[operator]()


def value_of(run: Document, field: str) -> Any:
    """The value of a field of a run; a marker that equals nothing where it is missing."""
    section, _, key = field.partition(".")
    status, spec, metadata = run.get("status", {}), run.get("spec", {}), run.get("metadata", {})
    if key:
        places: dict[str, Mapping[str, Any]] = {
            "params": spec.get("params", {}),
            "results": status.get("results", {}),
            "metrics": status.get("metrics", {}),
            "labels": metadata.get("labels", {}),
        }
        place = places.get(section, {})
        return decode(place[key]) if key in place else _MISSING
    if field == "duration":
        started, ended = status.get("started"), status.get("ended")
        return ended - started if started is not None and ended is not None else _MISSING
    for part in (metadata, spec, status):
        if part.get(field) is not None:
            return part[field]
    return {"project": "default", "kind": "local"}.get(field, _MISSING)


def _alike(value: Any, wanted: Any) -> bool:
    if value is _MISSING:
        return False
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    if isinstance(value, (int, float)) and isinstance(wanted, (int, float)):
        return True
    return type(value) is type(wanted)


def _check_field(text: str, place: int, field: str) -> None:
    section, dot, key = field.partition(".")
    if (dot and key and section in SECTIONS) or (not dot and field in FIELDS):
        return
    known = ", ".join([*(f"{name}.KEY" for name in SECTIONS), *FIELDS])
    raise _error(text, place, f"there is no field {field!r}; there are {known}")


def _value(text: str) -> str | float | int | bool | None:
    if text[0] in "\"'":
        return text[1:-1]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() in ("null", "none"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _error(text: str, place: int, reason: str) -> ConditionError:
    return ConditionError(
        f"the condition does not parse: {reason}\n    {text}\n    {' ' * place}^",
        advice="Write it as: results.accuracy > 0.9 and params.depth = 3",
    )
