"""The user's file becomes a real module from a real folder, so that pickle, multiprocessing, tracebacks and inspect work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


class LoadError(Exception):
    """The code is not what the submission says: bad input, with a line of advice."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def prepare_path(folder: str) -> None:
    """Make ``sys.path`` as if Python had been started in the folder, although the supervisor is isolated (``-I``).

    The folder comes first, then PYTHONPATH and the user's site, and the facade comes last, so that an installed framework wins.
    """
    paths = [folder, *(entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry)]
    sys.path[:0] = [entry for entry in paths if entry not in sys.path]
    if sys.flags.isolated and sys.prefix == sys.base_prefix and "PYTHONNOUSERSITE" not in os.environ:
        import site

        user = site.getusersitepackages()
        if os.path.isdir(user):
            site.addsitedir(user)
    facade = os.path.join(os.path.dirname(os.path.dirname(__file__)), "facade")
    if facade not in sys.path:
        sys.path.append(facade)


def folder_of(code: dict[str, Any], scratch: str) -> str:
    """The folder with the code: where it lies, or where its archive is unpacked.

    Args:
        code: The submission's ``code``.
        scratch: A folder of this run's own.
    """
    if code.get("folder"):
        return str(code["folder"])
    target = os.path.join(scratch, "code")
    os.makedirs(target, exist_ok=True)
    if code.get("archive"):
        import base64
        import io
        import zipfile

        with zipfile.ZipFile(io.BytesIO(base64.b64decode(code["archive"]))) as archive:
            archive.extractall(target)  # zipfile drops absolute names and ".." itself
    return target


def load(code: dict[str, Any], folder: str) -> Callable[..., Any]:
    """The handler.

    Args:
        code: The submission's ``code``: module and handler.
        folder: Where it lies; on ``sys.path`` already.

    Raises:
        LoadError: The module or the handler is not there, or does not compile.
    """
    import importlib

    name = code["module"]
    try:
        module = importlib.import_module(name)
    except SyntaxError as error:
        where = f"{os.path.basename(error.filename or name)}:{error.lineno}"
        line = (error.text or "").strip()
        raise LoadError(f"{where}: {error.msg}: {line}", "Mend the syntax.") from error
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(f"there is no module {name!r} in {folder}", "Check the file's name.") from error
        raise
    origin = os.path.realpath(getattr(module, "__file__", None) or "")
    if code.get("file") and origin != os.path.realpath(os.path.join(folder, code["file"])):
        raise LoadError(
            f"the module name {name!r} of {code['file']} belongs to {origin or 'Python itself'} already",
            "Rename the file.",
        )
    return _attribute(module, code["handler"], code.get("file") or name)


def _attribute(module: Any, dotted: str, where: str) -> Callable[..., Any]:
    found: Any = module
    for part in dotted.split("."):
        if not hasattr(found, part):
            import difflib

            names = [name for name in vars(found) if callable(getattr(found, name)) and not name.startswith("_")]
            close = difflib.get_close_matches(part, names, 1)
            advice = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(names) or 'no function'}."
            raise LoadError(f"{where} has no {dotted!r}", advice)
        found = getattr(found, part)
    if not callable(found):
        raise LoadError(f"{dotted!r} of {where} is {type(found).__name__}, which cannot be called", "Name a function.")
    handler: Callable[..., Any] = found
    return handler
