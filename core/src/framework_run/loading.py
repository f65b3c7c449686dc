"""The user's file becomes a real module from a real folder: pickle, multiprocessing, tracebacks and inspect work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from framework_run.errors import LoadingError, did_you_mean

# pathlib is slow to import, and this runs before every handler: hence os.path throughout, with its noqa.
_ROOT: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120


def folder_of(code: dict[str, Any], scratch: str) -> str:
    """The folder with the code: where it lies, or where its archive is unpacked.

    Args:
        code: The submission's ``code``.
        scratch: A folder of this run's own.

    Raises:
        LoadingError: The folder is not there, or the archive is damaged.
    """
    if code.get("folder"):
        folder = str(code["folder"])
        if not os.path.isdir(folder):  # noqa: PTH112
            raise LoadingError(f"the folder of the code, {folder!r}, is not there", advice="Submit the function again.")
        return folder
    target = os.path.join(scratch, "code")  # noqa: PTH118
    os.makedirs(target, exist_ok=True)  # noqa: PTH103
    if code.get("archive"):
        import base64
        import io
        import zipfile

        try:
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(code["archive"]))) as archive:
                archive.extractall(target)  # zipfile drops absolute names and ".." itself
        except (ValueError, zipfile.BadZipFile) as error:
            raise LoadingError(f"the archive of the code is damaged: {error}") from error
    return target


def prepare_path(folder: str) -> None:
    """Make ``sys.path`` as if Python had been started in the folder, although the supervisor is isolated (``-I``).

    The folder comes first, then PYTHONPATH, then what the interpreter has, with the user's site before the system's;
    last the run side itself and the facade, so that an installed framework, and all else that is installed, wins.

    Args:
        folder: Where the user's code lies.
    """
    sys.dont_write_bytecode = True  # it is told apart by seconds and size: code changed at once would run as it was
    own = [facade()] if _is_installed() else [_ROOT, facade()]
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    given = [os.path.abspath(entry) for entry in entries if entry]  # noqa: PTH100
    ahead = [folder, *given]
    rest = [entry for entry in sys.path if entry not in ahead and entry not in own]
    sys.path[:] = [*ahead, *rest]
    if sys.flags.no_user_site:
        _add_user_site()
    sys.path += [entry for entry in own if entry not in sys.path]
    if sys.flags.ignore_environment:
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))


def facade() -> str:
    """The folder with the facade ``framework``: beside the run side in the archive, inside of it where installed."""
    inside = os.path.join(_ROOT, "framework_run", "facade")  # noqa: PTH118
    return inside if _is_installed() else os.path.join(_ROOT, "facade")  # noqa: PTH118


def _is_installed() -> bool:
    """Whether this is the installed package, and not an archive, in which the facade lies beside it."""
    return os.path.isdir(os.path.join(_ROOT, "framework_run", "facade"))  # noqa: PTH112, PTH118


def load(code: dict[str, Any], folder: str) -> Callable[..., Any]:
    """Import the user's module, and find the handler in it.

    Args:
        code: The submission's ``code``: module, file and handler.
        folder: Where it lies; on ``sys.path`` already.

    Raises:
        LoadingError: The module or the handler is not there, or the code does not compile.
        Exception: Whatever the user's module raises while it is imported.
    """
    import importlib

    name, file = str(code["module"]), str(code.get("file") or "")
    path = os.path.join(folder, file)  # noqa: PTH118
    _refuse_taken(name, path if file else "")
    try:
        module = importlib.import_module(name)
    except SyntaxError as error:
        if not _lies_in(folder, error.filename):
            raise
        raise _syntax(error, folder) from error
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise LoadingError(
                f"there is no module {name!r} in {folder!r}", advice="Check the name of the file or module."
            ) from error
        raise
    if file and not _same(getattr(module, "__file__", None), path):
        raise _shadowed(name, file, getattr(module, "__file__", None))
    return _attribute(module, str(code["handler"]), file or name)


def libraries(variables: Mapping[str, str]) -> list[str]:
    """The folders that a handler's packages are imported from, as the supervisor can tell it.

    Args:
        variables: The variables that the handler has.
    """
    entries = [entry for entry in variables.get("PYTHONPATH", "").split(os.pathsep) if entry]
    user = _user_site() if sys.flags.no_user_site else ""
    return [*entries, *([user] if user else []), *sys.path]


def _user_site() -> str:
    """The user's site packages, where Python would have them but for ``-I`` (as in `site`); else empty."""
    if os.environ.get("PYTHONNOUSERSITE") or (sys.prefix != sys.base_prefix and not _sees_system_site()):
        return ""
    import site

    user = site.getusersitepackages()
    return user if os.path.isdir(user) and user not in sys.path else ""  # noqa: PTH112


def _add_user_site() -> None:
    user = _user_site()
    if not user:
        return
    import site

    before = list(sys.path)
    site.addsitedir(user)
    added = [entry for entry in sys.path if entry not in before]
    at = next((index for index, entry in enumerate(before) if entry.endswith(("site-packages", "dist-packages"))), None)
    at = len(before) if at is None else at
    sys.path[:] = [*before[:at], *added, *before[at:]]


def _sees_system_site() -> bool:
    """Whether this virtual environment was made with the system's packages: pyvenv.cfg, as `site` reads it."""
    try:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            lines = [line.partition("=") for line in file]
    except OSError:
        return False
    return any(key.strip() == "include-system-site-packages" and value.strip() == "true" for key, _, value in lines)


def _refuse_taken(name: str, path: str) -> None:
    """A module of that name that is in use already, such as ``json``, cannot be put aside."""
    taken = sys.modules.get(name)
    if taken is not None and path and not _same(getattr(taken, "__file__", None), path):
        raise _shadowed(name, path, getattr(taken, "__file__", None))


def _shadowed(name: str, path: str, origin: str | None) -> LoadingError:
    return LoadingError(
        f"{os.path.basename(path)} cannot be imported as {name!r}: {origin or 'a part of Python'} has that name",  # noqa: PTH119
        advice="Rename the file.",
    )


def _same(first: str | None, second: str) -> bool:
    return first is not None and os.path.realpath(first) == os.path.realpath(second)


def _lies_in(folder: str, file: str | None) -> bool:
    return bool(file) and os.path.realpath(str(file)).startswith(os.path.realpath(folder) + os.sep)


def _syntax(error: SyntaxError, folder: str) -> LoadingError:
    """``file:line: what is wrong``, and the line with a caret under the place."""
    where = os.path.relpath(os.path.realpath(str(error.filename)), os.path.realpath(folder))
    text = (error.text or "").rstrip("\n")
    shown = text.lstrip()
    caret = ""
    if shown and error.offset:
        column = max(error.offset - 1 - (len(text) - len(shown)), 0)
        width = max((error.end_offset or 0) - error.offset, 1) if error.end_lineno == error.lineno else 1
        caret = f"\n    {shown}\n    {' ' * column}{'^' * min(width, max(len(shown) - column, 1))}"
    return LoadingError(f"{where}:{error.lineno}: {error.msg}{caret}", advice="Mend the code at that place.")


def _attribute(module: Any, dotted: str, where: str) -> Callable[..., Any]:
    found: Any = module
    for part in dotted.split("."):
        if not hasattr(found, part):
            names = [name for name, value in vars(found).items() if callable(value) and not name.startswith("_")]
            own = [name for name in names if getattr(getattr(found, name), "__module__", None) == module.__name__]
            hint = did_you_mean(part, names)
            raise LoadingError(
                f"{where} has no {dotted!r}.{hint}".removesuffix("."),
                advice=f"It has: {', '.join(own)}." if own else "Define a function of that name.",
            )
        found = getattr(found, part)
    if not callable(found):
        raise LoadingError(
            f"{dotted!r} of {where} is of type {type(found).__name__} and cannot be called", advice="Name a function."
        )
    handler: Callable[..., Any] = found
    return handler
