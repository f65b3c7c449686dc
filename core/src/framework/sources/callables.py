"""Functions from live function objects."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from framework.errors import SourceError
from framework.models import Function, FunctionMetadata, FunctionSpec
from framework.models.function import Code, EntryPoint, Environment, FunctionStatus, Parameter
from framework.sources.docstrings import read
from framework.sources.extraction import extract
from framework.sources.loaded import Loaded, digest, valid_name
from framework.sources.paths import load_file
from framework.sources.scripts import script_metadata
from framework.sources.siblings import is_installed, package_root
from framework.sources.syntax import read_source


def from_callable(function: Callable[..., Any], *, name: str | None = None, inline: bool = False) -> Loaded:
    """A Function from a live function object.

    One of an importable module is its file, or, where that is installed, the module's name. One of ``__main__``, a
    notebook or a REPL is its source, with the names of the module that it uses (`framework.sources.extraction`).

    Args:
        function: The function.
        name: What the Function is called; its own name unless told.
        inline: It is called in this process: then what cannot be sent is no error.

    Raises:
        SourceError: It cannot be sent elsewhere; the message names what stands in the way.
    """
    plain = inspect.unwrap(function)
    called = name or valid_name(getattr(plain, "__name__", type(plain).__name__))
    try:
        return _sendable(plain, called)
    except SourceError:
        if not inline:
            raise
        return _unsendable(plain, called)


def _sendable(function: Any, name: str) -> Loaded:
    _refuse_odd(function)
    module = sys.modules.get(function.__module__ or "")
    if module is not None and _is_importable(module, function):
        file = getattr(module, "__file__", None) or ""
        if file.endswith(".py") and not is_installed(file):
            return _of_file(Path(file), function, name)
        return _of_module(function, name)
    return _of_source(function, name)


def _refuse_odd(function: Any) -> None:
    """Refuse what no import and no source could make again."""
    if isinstance(function, functools.partial):
        raise SourceError(
            f"a partial of {getattr(function.func, '__name__', 'a function')!r} cannot be sent",
            advice="Use the function itself, and give what is bound as params.",
        )
    if inspect.ismethod(function):
        raise SourceError(
            f"{function.__qualname__!r} is bound to an object, which cannot be sent",
            advice="Use a function that makes the object from its parameters.",
        )
    if not callable(getattr(function, "__call__", None)) or not hasattr(function, "__qualname__"):  # noqa: B004
        raise SourceError(
            f"an object of {type(function).__qualname__!r} cannot be sent", advice="Use a function defined by def."
        )
    if function.__name__ == "<lambda>":
        raise SourceError("a lambda cannot be sent", advice="Define it by def, with a name; or run it inline.")
    if isinstance(function, FunctionType) and (names := function.__code__.co_freevars):
        raise SourceError(
            f"{function.__qualname__!r} uses {', '.join(names)} of the function around it, which cannot be sent",
            advice="Make them its parameters, or run it inline.",
        )


def _is_importable(module: ModuleType, function: Any) -> bool:
    if module.__name__ in {"__main__", "__mp_main__"} or "<locals>" in function.__qualname__:
        return False
    found: Any = module
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is not None and inspect.unwrap(found) is function


def _of_file(file: Path, function: Any, name: str) -> Loaded:
    # As the module of its package that it was imported as: its imports are written for that.
    loaded = load_file(file, function.__qualname__, root=package_root(file))
    loaded.function.metadata.name = name
    return loaded


def _of_module(function: Any, name: str) -> Loaded:
    """A function of an installed module: nothing of it is sent, only its name."""
    code = Code(type="module", module=function.__module__, handler=function.__qualname__)
    return Loaded(function=_function(code, name, [signature_of(function)], Environment()))


def _of_source(function: Any, name: str) -> Loaded:
    extracted = extract(function)
    module = f"function_{function.__name__}"
    texts = {f"{module}.py": extracted.text.encode(), **extracted.modules}
    files = {path: digest(content) for path, content in sorted(texts.items())}
    code = Code(type="callable", files=files, module=module, handler=function.__name__)
    main = getattr(sys.modules.get(function.__module__), "__file__", None)
    environment = Environment()
    if main and main.endswith(".py") and Path(main).is_file():
        environment.requirements, environment.python = script_metadata(read_source(Path(main)), name=Path(main).name)
        code.path = main
    return Loaded(function=_function(code, name, [extracted.entry], environment), texts=texts)


def _unsendable(function: Any, name: str) -> Loaded:
    """Of what runs in this process only: its own source, for the version, and its signature."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        text = f"# {function!r:.200} has no source\n" if not hasattr(function, "__code__") else _bytecode(function)
    texts = {"inline.py": text.encode("utf-8", "surrogatepass")}
    files = {path: digest(content) for path, content in texts.items()}
    code = Code(type="callable", files=files, module="inline", handler=getattr(function, "__name__", name))
    return Loaded(function=_function(code, name, [signature_of(function)], Environment()), texts=texts)


def _bytecode(function: Any) -> str:
    code = function.__code__
    return f"# {function.__qualname__} has no source; its bytecode is\n# {digest(code.co_code)}\n# {code.co_names!r}\n"


def _function(code: Code, name: str, points: list[EntryPoint], environment: Environment) -> Function:
    metadata = FunctionMetadata(name=name, description=points[0].doc.partition("\n")[0])
    spec = FunctionSpec(code=code, environment=environment)
    return Function(metadata=metadata, spec=spec, status=FunctionStatus(entry_points=points))


def signature_of(function: Any) -> EntryPoint:
    """The entry point of a live function, as `inspect` sees it, where there is no source to read it from."""
    doc, docs = read(function.__doc__ or "")
    point = EntryPoint(
        name=getattr(function, "__name__", type(function).__name__),
        doc=doc,
        is_async=inspect.iscoroutinefunction(function),
    )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some builtins: anything may be given, and the call says what is wrong
        point.parameters = [Parameter(name="args", kind="var_positional"), Parameter(name="kwargs", kind="var_keyword")]
        return point
    point.returns = _annotation(signature.return_annotation)
    point.parameters = [
        _parameter(parameter, docs.get(parameter.name, "")) for parameter in signature.parameters.values()
    ]
    return point


def _parameter(parameter: inspect.Parameter, doc: str) -> Parameter:
    made = Parameter(name=parameter.name, annotation=_annotation(parameter.annotation), doc=doc)
    if parameter.kind is parameter.VAR_POSITIONAL:
        made.kind = "var_positional"
    elif parameter.kind is parameter.VAR_KEYWORD:
        made.kind = "var_keyword"
    else:
        made.kind = "keyword" if parameter.kind is parameter.KEYWORD_ONLY else "positional"
        made.required = parameter.default is parameter.empty
        made.default = "" if made.required else repr(parameter.default)
    return made


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
