"""Conditions such as ``results.accuracy > 0.9 and params.depth = 3``: a small parsed grammar, and what it means.

`matches` and `fits` are pure and are the reference: whatever a database does to be fast, it has to give the runs that
they give. The conformance suite compares them.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from framework.databases import Condition, Document, Operator, RunQuery
from framework.errors import ConditionError
from framework_run.numbers import decode

SECTIONS: Final = ("params", "results", "metrics", "labels")
INDEXED: Final = (*SECTIONS, "cache")
"""Sections that a query can ask for; ``cache`` is the framework's own."""
TIMES: Final = ("created", "started", "ended")
TEXTS: Final = ("name", "state", "cause", "kind", "project", "labels")
"""Fields and sections whose values are text, so that ``labels.version = 3`` needs no quotes."""
FIELDS: Final = ("name", "state", "cause", "kind", "project", *TIMES, "duration")
MISSING: Final = object()
"""What `value_of` gives for a field that a run does not have."""

_PARTS: Final = {"params": "spec", "results": "status", "metrics": "status", "labels": "metadata", "cache": "spec"}
_FIELD = re.compile(r"""\s*([A-Za-z_]\w*(?:\.(?:"[^"]+"|'[^']+'|[\w.\-/:@]+))?)\s*""")
_OPERATOR = re.compile(r"(<=|>=|!=|==|=|<|>|~)\s*")
_VALUE = re.compile(r"""("[^"]*"|'[^']*'|[^\s"']\S*)\s*""")
_AND = re.compile(r"and\b\s*", re.IGNORECASE)
_QUOTES: Final = "\"'"
_ORDERS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "none": None}


def parse(text: str) -> list[Condition]:
    """The conditions of a text; all of them have to hold.

    ``FIELD OPERATOR VALUE``, joined by ``and``. A value is a number, ``true``, ``false``, ``null`` or text, in quotes
    where it has spaces or is to be text all the same; a key with spaces is quoted as well: ``params."learning rate"``.
    Times are seconds since the epoch or ISO 8601, local unless they say a zone.

    Raises:
        ConditionError: It does not parse; the message shows where.
    """
    conditions = []
    place = 0
    while True:
        condition, place = _clause(text, place)
        conditions.append(condition)
        if place == len(text):
            return conditions
        place = _expect(_AND, text, place, "'and' or the end is expected here").end()


def matches(condition: Condition, run: Document) -> bool:
    """Whether a run's document fits a condition."""
    return holds(condition, value_of(run, condition.field))


def holds(condition: Condition, value: Any) -> bool:
    """Whether a field's value fits a condition.

    Numbers compare with numbers, text with text (by code point), true and false with themselves; between two types only
    ``!=`` holds, and so it does where the field is missing or NaN.

    Args:
        condition: What is asked; its field is not looked at.
        value: The value, or `MISSING`.
    """
    sign, wanted = condition.operator, condition.value
    if sign == "~":
        return isinstance(value, str) and glob_matches(str(wanted), value)
    alike = _alike(value, wanted)
    if sign in ("=", "!="):
        return (alike and bool(value == wanted)) == (sign == "=")
    ordered = alike and value is not None and not isinstance(value, bool)
    return ordered and bool(_ORDERS[sign](value, wanted))


def fits(query: RunQuery, run: Document) -> bool:
    """Whether a run's document is one that the query asks for; order, limit and offset aside."""
    spec, created = run.get("spec", {}), run.get("status", {}).get("created") or 0.0
    return (
        (query.parent is None or spec.get("parent", "") == query.parent)
        and (query.since is None or created >= query.since)
        and (query.until is None or created < query.until)
        and (not query.states or value_of(run, "state") in query.states)
        and (query.function is None or _is_of(spec.get("function", ""), query.function))
        and all(matches(condition, run) for condition in conditions_of(query))
    )


def conditions_of(query: RunQuery) -> list[Condition]:
    """The conditions of a query, with those that its project, name and labels are short for."""
    conditions = list(query.conditions)
    if query.project is not None:
        conditions.append(Condition(field="project", operator="=", value=query.project))
    if query.name is not None:
        conditions.append(Condition(field="name", operator="~" if is_glob(query.name) else "=", value=query.name))
    for key, value in query.labels.items():
        conditions.append(Condition(field=f"labels.{key}", operator="=", value=value))
    return conditions


def value_of(run: Document, field: str) -> Any:
    """The value of a field of a run's document, decoded; `MISSING` where it has none."""
    section, dot, key = field.partition(".")
    if dot:
        place = section_of(run, section)
        return decode(place[key]) if key in place else MISSING
    status = run.get("status", {})
    value: Any
    if field == "duration":
        started, ended = status.get("started"), status.get("ended")
        value = None if started is None or ended is None else ended - started
    elif field in ("name", "project"):
        value = run["metadata"].get(field, "default" if field == "project" else None)
    elif field == "kind":
        value = run.get("spec", {}).get("kind", "local")
    else:
        value = status.get(field, "created" if field == "state" else None)
    return MISSING if value is None else value


def section_of(run: Document, section: str) -> Mapping[str, Any]:
    """The mapping behind ``params``, ``results``, ``metrics`` or ``labels``; empty for another name."""
    part = _PARTS.get(section)
    found: Mapping[str, Any] = run.get(part, {}).get(section, {}) if part else {}
    return found


def is_glob(text: str) -> bool:
    """Whether a name is a pattern and not itself."""
    return any(sign in text for sign in "*?[")


def glob_matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern with ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[!abc]``; the case counts."""
    return _compiled(pattern).fullmatch(text) is not None


def glob_expression(pattern: str) -> str:
    """The regular expression of a pattern, for a whole text, in the syntax that Python and PostgreSQL share.

    The rules of a pattern are those of `fnmatch`: a bracket that is not closed stands for itself, and a closing one
    that comes first is a member.
    """
    parts = []
    place = 0
    while place < len(pattern):
        sign = pattern[place]
        place += 1
        end = pattern.find("]", place + (2 if pattern.startswith("!", place) else 1)) if sign == "[" else -1
        if sign in "*?":
            parts.append(".*" if sign == "*" else ".")
        elif end > 0:
            parts.append(_bracket(pattern[place:end]))
            place = end + 1
        else:
            parts.append(_escaped(sign))
    return "".join(parts)


def _bracket(content: str) -> str:
    negated = content.startswith("!")
    members = content[negated:]
    texts = []
    place = 0
    while place < len(members):
        low = high = members[place]
        if place + 2 < len(members) and members[place + 1] == "-":
            high = members[place + 2]
        place += 3 if high is not low else 1
        if low <= high:
            texts.append(_escaped(low) if low == high else f"{_escaped(low)}-{_escaped(high)}")
    if not texts:  # only ranges that run backwards: nothing is in it
        return "." if negated else "(?!.)."
    return f"[{'^' if negated else ''}{''.join(texts)}]"


def _escaped(sign: str) -> str:
    return sign if sign.isalnum() or ord(sign) > 127 or sign.isspace() else f"\\{sign}"  # noqa: PLR2004  ASCII ends there


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(glob_expression(pattern), re.DOTALL)


def _is_of(function: str, wanted: str) -> bool:
    """Whether a run's function is the wanted one: of that version, or of any where none is said."""
    return function.startswith(wanted) if "@" in wanted else function == wanted or function.startswith(f"{wanted}@")


def _alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    if isinstance(value, (int, float)):
        return isinstance(wanted, (int, float))
    return (isinstance(value, str) and isinstance(wanted, str)) or (value is None and wanted is None)


def _clause(text: str, place: int) -> tuple[Condition, int]:
    named = _expect(_FIELD, text, place, "a field is expected here, such as results.accuracy")
    field = _field(text, named.start(1), named[1])
    operated = _expect(_OPERATOR, text, named.end(), "an operator is expected here: = != < <= > >= ~")
    sign = cast("Operator", "=" if operated[1] == "==" else operated[1])
    given = _expect(_VALUE, text, operated.end(), "a value is expected here")
    return Condition(field=field, operator=sign, value=_value(field, sign, given[1])), given.end()


def _expect(pattern: re.Pattern[str], text: str, place: int, reason: str) -> re.Match[str]:
    found = pattern.match(text, place)
    if found is None:
        raise _error(text, place, reason)
    return found


def _field(text: str, place: int, name: str) -> str:
    section, dot, key = name.partition(".")
    if dot and section in SECTIONS:
        return f"{section}.{key[1:-1] if key[0] in _QUOTES else key}"
    if not dot and name in FIELDS:
        return name
    raise _error(text, place, f"there is no field {name!r}{_hint(section if dot else name, key)}")


def _hint(name: str, key: str) -> str:
    import difflib

    known = [*SECTIONS, *([] if key else FIELDS)]
    near = difflib.get_close_matches(name, known, 1)
    if not near:
        return f"; there are {', '.join(f'{section}.KEY' for section in SECTIONS)}, {', '.join(FIELDS)}"
    whole = f"{near[0]}.{key or 'KEY'}" if near[0] in SECTIONS else near[0]
    return f", did you mean {whole}?"


def _value(field: str, sign: str, text: str) -> str | float | int | bool | None:
    quoted = text[0] in _QUOTES and len(text) > 1
    content = text[1:-1] if quoted else text
    if sign == "~" or field.partition(".")[0] in TEXTS or (quoted and field not in TIMES):
        return content
    if content.lower() in _WORDS:
        return _WORDS[content.lower()]
    if (number := _number(content)) is not None:
        return number
    moment = _moment(content) if field in TIMES else None
    return content if moment is None else moment


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _error(text: str, place: int, reason: str) -> ConditionError:
    return ConditionError(
        f"{reason}\n    {text}\n    {' ' * place}^", advice='Write it as "results.accuracy > 0.9 and params.depth = 3".'
    )
