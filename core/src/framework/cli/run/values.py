"""Parameters that came as text, as the values that they stand for where the signature's text tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from framework.models.function import EntryPoint

_JSON: Final = (str, int, float, bool, type(None), list, dict)


def read(entry: EntryPoint | None, texts: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The parameters, so that a run keeps ``depth`` as 4 and can be found by it.

    Args:
        entry: The handler, as its code says it; None where it is not known.
        texts: Parameter name to text.

    Returns:
        The values, and the names of those that are text still: their annotation is not understood before the run, they
        are no JSON value, or they do not fit, which the planner says better.
    """
    annotations = {parameter.name: parameter.annotation for parameter in entry.parameters} if entry else {}
    values: dict[str, Any] = {}
    raw = []
    for name, text in texts.items():
        read_, content = _value(annotations[name], text) if name in annotations else (False, text)
        values[name] = content
        if not read_:
            raw.append(name)
    return values, raw


def _value(annotation: str, text: str) -> tuple[bool, Any]:
    """Whether the text could be read, and what it stands for."""
    from framework_run.convert import convert
    from framework_run.static import annotation_from

    kind = annotation_from(annotation)
    if kind is Any and annotation not in {"", "Any", "typing.Any", "object"}:
        return False, text
    try:
        content = convert(text, kind, raw=True)
    except ValueError:
        return False, text
    return (True, content) if _is_json(content) else (False, text)


def _is_json(content: Any) -> bool:
    if type(content) not in _JSON:
        return False
    if isinstance(content, dict):
        return all(type(key) is str and _is_json(item) for key, item in content.items())
    return all(map(_is_json, content)) if isinstance(content, list) else True
