"""What a handler takes: its parameters with resolved annotations, worked out once a function."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any, Final
from weakref import WeakKeyDictionary

MISSING: Final = object()
POSITIONAL_ONLY: Final = 0  # the values of inspect.Parameter.kind
POSITIONAL: Final = 1
VAR_POSITIONAL: Final = 2
KEYWORD: Final = 3
VAR_KEYWORD: Final = 4

_PLAIN: Final = {"int": int, "float": float, "str": str, "bool": bool, "None": type(None)}
_LONGEST: Final = 300  # characters of a signature in a message
_VARARGS: Final = 4  # code flags: inspect.CO_VARARGS, CO_VARKEYWORDS
_VARKEYWORDS: Final = 8


class Parameter:
    """One parameter: name, kind (as numbered in inspect), default or `MISSING`, resolved annotation."""

    __slots__ = ("annotation", "default", "is_context", "kind", "name")

    def __init__(self, name: str, kind: int, default: Any, annotation: Any) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.annotation = annotation
        self.is_context = kind not in {VAR_POSITIONAL, VAR_KEYWORD} and is_context(name, annotation)


class Signature:
    """The parameters of one function.

    Args:
        parameters: In their order.
    """

    __slots__ = ("by_name", "empty", "open_ended", "parameters")

    def __init__(self, parameters: list[Parameter]) -> None:
        self.parameters = parameters
        named = [each for each in parameters if each.kind not in {VAR_POSITIONAL, VAR_KEYWORD}]
        self.by_name = {each.name: each for each in named}
        self.open_ended = any(each.kind == VAR_KEYWORD for each in parameters)
        self.empty = not parameters or all(each.default is not MISSING and not each.is_context for each in named)


_known: WeakKeyDictionary[Any, Signature | None] = WeakKeyDictionary()


def signature_of(function: Callable[..., Any]) -> Signature | None:
    """The signature of a function; None of a callable that has none, such as some of C."""
    try:
        return _known[function]
    except (KeyError, TypeError):  # TypeError: it cannot be hashed, or not be referred to weakly
        made = _read(function)
    with suppress(TypeError):
        _known[function] = made
    return made


def text_of(function: Callable[..., Any]) -> str:
    """A function's signature as messages show it."""
    import inspect

    name = getattr(function, "__qualname__", type(function).__qualname__).rpartition("<locals>.")[2]
    try:
        text = f"{name}{inspect.signature(function)}"
    except (TypeError, ValueError, NameError):
        return f"{name}(…)"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def is_context(name: str, annotation: Any) -> bool:
    """Whether a parameter is given the context: annotated ``Context``, or called ``context`` without an annotation.

    Args:
        name: The parameter's name.
        annotation: A resolved annotation, or its text; ``Any`` or empty where there is none.
    """
    if annotation is Any or annotation is None or annotation == "":
        return name == "context"
    if isinstance(annotation, str):
        words = annotation.replace("|", " ").strip("\"'").split()
        return any(word.rpartition(".")[2] == "Context" for word in words)
    each = [annotation, *getattr(annotation, "__args__", ())]
    return any(getattr(kind, "__name__", "") == "Context" for kind in each)


def _read(function: Callable[..., Any]) -> Signature | None:
    if (
        type(function) is FunctionType
        and not hasattr(function, "__wrapped__")
        and not hasattr(function, "__signature__")
    ):
        return Signature(_of_code(function))
    import inspect

    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    types = _types(_annotated(function))
    return Signature(
        [
            Parameter(
                each.name,
                int(each.kind),
                MISSING if each.default is each.empty else each.default,
                types.get(each.name, Any),
            )
            for each in found.parameters.values()
        ]
    )


def _types(function: Any) -> dict[str, Any]:
    """The resolved annotations; the plainest ones without the machinery for the rest."""
    try:
        written = getattr(function, "__annotations__", None) or {}
    except NameError:  # annotations that are made on demand (Python 3.14), of names that only a type checker sees
        written = {"": None}
    scope = getattr(function, "__globals__", {})
    found = {}
    for name, annotation in written.items():
        if name == "return":
            continue
        kind = _PLAIN.get(annotation) if isinstance(annotation, str) and annotation not in scope else annotation
        if kind not in _PLAIN.values():
            from framework_run.annotations import hints

            return hints(function)
        found[name] = kind
    return found


def _annotated(function: Any) -> Any:
    """What has the annotations: inside of decorators, partials, bound methods; an object's call, a class's making."""
    import functools
    import inspect

    while True:
        inner = inspect.unwrap(function)
        if isinstance(inner, functools.partial):
            function = inner.func
        elif inspect.ismethod(inner):
            function = inner.__func__
        elif isinstance(inner, type):
            return vars(inner).get("__init__", inner)
        elif isinstance(vars(type(inner)).get("__call__"), FunctionType):
            function = vars(type(inner))["__call__"]
        else:
            return inner


def _of_code(function: FunctionType) -> list[Parameter]:
    """The parameters of a plain function from its code object, which spares the import of inspect (10 ms)."""
    code, types = function.__code__, _types(function)
    names = code.co_varnames
    plain, keyword_only = code.co_argcount, code.co_kwonlyargcount
    defaults = function.__defaults__ or ()
    first_default = plain - len(defaults)
    found = []
    for index, name in enumerate(names[:plain]):
        default = defaults[index - first_default] if index >= first_default else MISSING
        kind = POSITIONAL_ONLY if index < code.co_posonlyargcount else POSITIONAL
        found.append(Parameter(name, kind, default, types.get(name, Any)))
    rest = plain + keyword_only
    if code.co_flags & _VARARGS:
        found.append(Parameter(names[rest], VAR_POSITIONAL, MISSING, types.get(names[rest], Any)))
        rest += 1
    for name in names[plain : plain + keyword_only]:
        default = (function.__kwdefaults__ or {}).get(name, MISSING)
        found.append(Parameter(name, KEYWORD, default, types.get(name, Any)))
    if code.co_flags & _VARKEYWORDS:
        found.append(Parameter(names[rest], VAR_KEYWORD, MISSING, types.get(names[rest], Any)))
    return found
