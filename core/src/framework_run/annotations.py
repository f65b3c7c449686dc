"""Annotations: what they mean once their names are resolved, and what messages call them."""

from __future__ import annotations

import typing
from types import SimpleNamespace
from typing import Any, Final

_BUILTIN: Final = {"int": int, "float": float, "str": str, "bool": bool, "None": type(None)}
_WRAPPERS: Final = ("Annotated", "Required", "NotRequired", "ReadOnly", "Final", "ClassVar")
_LONGEST: Final = 60  # characters of a value in a message


def hints(owner: Any) -> dict[str, Any]:
    """The annotations of a function or class, resolved one by one, so that one that cannot be resolved spoils no other.

    Args:
        owner: The function or class. A class's bases are looked at as well.

    Returns:
        Name to type. One that does not resolve, because only a type checker sees its names, is ``Any``.
    """
    found: dict[str, Any] = {}
    for each in reversed(owner.__mro__) if isinstance(owner, type) else (owner,):
        own = _written(each)
        if not own:
            continue
        scope = _scope(each)
        found.update({name: resolve(annotation, scope) for name, annotation in own.items()})
    return found


def resolve(annotation: Any, scope: dict[str, Any]) -> Any:
    """One annotation with its names looked up.

    Args:
        annotation: A type, or its text.
        scope: The names that the text may use.
    """
    if annotation is None:
        return type(None)
    if type(annotation) is type:
        return annotation
    if isinstance(annotation, str) and annotation in _BUILTIN and annotation not in scope:
        return _BUILTIN[annotation]
    try:
        holder = SimpleNamespace(__annotations__={"it": annotation})
        return typing.get_type_hints(holder, globalns=scope, localns={}, include_extras=True)["it"]
    except Exception:  # noqa: BLE001  whatever the user's expression raises
        return Any


def unwrap(annotation: Any) -> Any:
    """The type inside of ``Annotated``, ``NotRequired``, a ``NewType``, a type alias, a type variable."""
    while True:
        if getattr(annotation, "__metadata__", None) is not None:
            annotation = annotation.__origin__
        elif getattr(typing.get_origin(annotation), "_name", None) in _WRAPPERS:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__ or Any
        else:
            return annotation


def name_of(annotation: Any) -> str:
    """What a message calls an annotation, as it would be written in code."""
    if annotation is type(None):
        return "None"
    if typing.get_origin(annotation) is None and hasattr(annotation, "__qualname__"):
        return str(annotation.__qualname__)
    return str(annotation).replace("typing.", "").replace("NoneType", "None")


def shown(value: Any) -> str:
    """What a message calls a value."""
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _written(owner: Any) -> dict[str, Any]:
    """The annotations as they stand; where they are made on demand (Python 3.14) and fail, as far as they resolve."""
    try:
        # A class without annotations of its own must not show its base's (Python 3.10: annotations howto).
        found = vars(owner).get("__annotations__") if isinstance(owner, type) else None
        return dict(found or getattr(owner, "__annotations__", None) or {})
    except NameError:
        import annotationlib  # type: ignore[import-not-found,unused-ignore]  # Python 3.14

        return dict(annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF))


def _scope(owner: Any) -> dict[str, Any]:
    import sys

    scope = getattr(owner, "__globals__", None)
    if scope is None:
        scope = vars(sys.modules.get(getattr(owner, "__module__", ""), SimpleNamespace()))
    names = {parameter.__name__: parameter for parameter in getattr(owner, "__type_params__", ())}
    return {**scope, **names} if names else scope
