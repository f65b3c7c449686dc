"""Parameters and inputs become the arguments of a handler, or are refused with its signature shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from framework_run.errors import BindingError, nearest
from framework_run.signatures import (
    MISSING,
    POSITIONAL_ONLY,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Parameter,
    Signature,
    signature_of,
    text_of,
)

__all__ = ["BindingError", "bind", "check"]


def bind(
    function: Callable[..., Any],
    params: Mapping[str, Any],
    raw: Collection[str] = (),
    inputs: Mapping[str, Any] | None = None,
    context: Any = None,
) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments for a call.

    Values become what the annotations say (`framework_run.convert.convert`). A ``*args`` is given by its name, as a
    list; what is unknown goes to ``**kwargs`` where there is one. An input that is no parameter is left to the context.

    Args:
        function: The handler.
        params: Values by parameter name.
        raw: Names of those that are text from a command line.
        inputs: Paths by parameter name.
        context: What a parameter annotated ``Context``, or called ``context`` without an annotation, is given.

    Raises:
        BindingError: A parameter is unknown, missing, or not what its annotation says.
    """
    signature = signature_of(function)
    if signature is None:
        return [], {**params, **(inputs or {})}
    if not params and not inputs and signature.empty:
        return [], {}
    try:
        return _arguments(signature, params, raw, inputs or {}, context)
    except BindingError as error:
        text = text_of(function)
        raise BindingError(f"{error.message}; the signature is {text}", text, advice=error.advice) from error.__cause__


def check(
    parameters: Iterable[Mapping[str, Any]],
    params: Mapping[str, Any],
    raw: Collection[str],
    name: str = "",
    inputs: Collection[str] = (),
) -> None:
    """Check parameters against a signature as read from the code, without running it.

    What cannot be told from the text of an annotation alone, such as the names of the user's own classes, passes.

    Args:
        parameters: name, annotation, default, kind and required of each.
        params: Values by name.
        raw: Names of those that are text.
        name: What the handler is called.
        inputs: Names of the inputs, which may be parameters too.

    Raises:
        BindingError: As `bind`.
    """
    from framework_run.static import signature_from, text_from

    known = list(parameters)
    signature = signature_from(known)
    try:
        _arguments(signature, params, raw, dict.fromkeys(inputs, ""), None, read=False)
    except BindingError as error:
        text = text_from(known, name)
        raise BindingError(f"{error.message}; the signature is {text}", text, advice=error.advice) from None


def _arguments(  # noqa: PLR0913  what `bind` and `check` differ in
    signature: Signature,
    params: Mapping[str, Any],
    raw: Collection[str],
    inputs: Mapping[str, Any],
    context: Any,
    *,
    read: bool = True,
) -> tuple[list[Any], dict[str, Any]]:
    _refuse_unknown(signature, params)
    rest = dict(params)
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    in_order = _given_in_order(signature, params)
    for each in signature.parameters:
        if each.kind == VAR_POSITIONAL:
            positional += _more(each, rest, raw)
        elif each.kind == VAR_KEYWORD:
            keywords.update({name: _converted(name, value, each, raw) for name, value in rest.items()})
            keywords.update({name: path for name, path in inputs.items() if name not in signature.by_name})
        else:
            value = _value(each, rest, raw, inputs, context, read=read)
            by_position = each.kind == POSITIONAL_ONLY or (in_order and each.kind < VAR_POSITIONAL)
            if value is MISSING and by_position:
                value = each.default
            if value is MISSING:
                if each.default is MISSING:
                    raise _missing(each, signature, inputs)
            elif by_position:
                positional.append(value)
            else:
                keywords[each.name] = value
    return positional, keywords


def _given_in_order(signature: Signature, params: Mapping[str, Any]) -> bool:
    """Whether a ``*args`` is given: what stands before it has to be given by position then."""
    return any(each.kind == VAR_POSITIONAL and params.get(each.name) for each in signature.parameters)


def _value(  # noqa: PLR0913  what a value may come from
    each: Parameter,
    rest: dict[str, Any],
    raw: Collection[str],
    inputs: Mapping[str, Any],
    context: Any,
    *,
    read: bool,
) -> Any:
    """The value of one parameter, or MISSING."""
    if each.name in rest:
        return _converted(each.name, rest.pop(each.name), each, raw)
    if each.name in inputs:
        return _input(each, inputs[each.name]) if read else None
    if each.is_context:
        return context
    # A positional-only parameter that is followed by a given one needs a value of its own; its default is the same.
    return each.default if each.kind == POSITIONAL_ONLY else MISSING


def _converted(name: str, value: Any, each: Parameter, raw: Collection[str]) -> Any:
    from framework_run.scalars import NONE, ConversionError

    is_raw = name in raw
    if value is None and each.default is None:
        return None  # as everyone writes it: def f(x: int = None)
    try:
        return _convert(value, each.annotation, raw=is_raw)
    except ConversionError as error:
        if is_raw and each.default is None and str(value).strip().lower() in NONE:
            return None
        raise BindingError(
            f"the parameter {name!r} is wrong: {error}", advice="Give a value of the type that the signature says."
        ) from error.__cause__


def _convert(value: Any, annotation: Any, *, raw: bool) -> Any:
    from framework_run.scalars import SCALARS, scalar_of

    if annotation is Any:
        return scalar_of(value) if raw else value
    scalar = SCALARS.get(annotation) if type(annotation) is type else None
    if scalar is not None:
        return scalar(value, raw)
    from framework_run.convert import convert

    return convert(value, annotation, raw=raw)


def _more(each: Parameter, rest: dict[str, Any], raw: Collection[str]) -> list[Any]:
    """The items of a ``*args``."""
    if each.name not in rest:
        return []
    given = Parameter(each.name, each.kind, MISSING, list[each.annotation])  # type: ignore[name-defined]
    items: list[Any] = list(_converted(each.name, rest.pop(each.name), given, raw))
    return items


def _refuse_unknown(signature: Signature, params: Mapping[str, Any]) -> None:
    if signature.open_ended or params.keys() <= signature.by_name.keys():
        return
    starred = {each.name for each in signature.parameters if each.kind == VAR_POSITIONAL}
    for name in params:
        if name not in signature.by_name and name not in starred:
            known = [each.name for each in signature.by_name.values() if not each.is_context]
            near = nearest(name, known)
            raise BindingError(
                f"there is no parameter {name!r}{f' (did you mean {near!r}?)' if near else ''}",
                advice="Give the parameters as the signature says.",
            )


def _missing(each: Parameter, signature: Signature, inputs: Mapping[str, Any]) -> BindingError:
    near = nearest(each.name, [name for name in inputs if name not in signature.by_name])
    hint = f" (there is an input {near!r})" if near else ""
    return BindingError(f"the parameter {each.name!r} is missing{hint}", advice=f"Give it: -p {each.name}=VALUE.")


def _input(each: Parameter, path: Any) -> Any:
    """An input as its annotation wants it: a path, the text of a path, or the table in the file."""
    from pathlib import Path

    from framework_run.scalars import ConversionError
    from framework_run.tables import is_frame, read

    if is_frame(each.annotation):
        return read(each.name, str(path))
    if each.annotation in (Any, Path):  # as nearly all are: what converts the rest is not imported for them
        return Path(path)
    try:
        return _convert(str(path), each.annotation, raw=False)
    except ConversionError:
        raise BindingError(
            f"the input {each.name!r} is a file, and the parameter's annotation is no path",
            advice="Annotate it Path or str, or pandas.DataFrame for a table.",
        ) from None
