"""What an exception that reached the top says about the end of a run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from framework_run import ends
from framework_run.errors import NonRetryable, RunSideError

if TYPE_CHECKING:
    from traceback import TracebackException
    from types import TracebackType

_OURS: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120  pathlib is slow to import
_STDLIB: Final = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
# Between our call and the user's code: how a module is imported and a coroutine run.
_ON_THE_WAY: Final = tuple(
    _STDLIB + name for name in (f"importlib{os.sep}", f"asyncio{os.sep}", f"concurrent{os.sep}", "threading.py")
)
_LONGEST_MESSAGE: Final = 500  # characters
_LONGEST_TRACEBACK: Final = 20_000  # characters; the last ones are kept

# Modules whose distribution has another name; from the projects' own documentation.
_DISTRIBUTIONS: Final = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def ending(error: BaseException) -> dict[str, Any]:
    """The end of a run whose code raised.

    Args:
        error: What it raised.

    Returns:
        The data of an ``end`` event, without its counts: state, cause, message, advice, and where they apply exit_code
        and traceback (the user's own frames).
    """
    if isinstance(error, SystemExit):
        return _of_exit(error.code)
    if isinstance(error, KeyboardInterrupt):
        return ends.aborted("interrupted from the keyboard")
    text = user_traceback(error)
    if isinstance(error, MemoryError):
        return {**ends.out_of_memory(_line(error)), "traceback": text}
    if isinstance(error, RunSideError):
        shown = f"{error}\n" if "\n" in str(error) else ""  # the line and the caret of a syntax error
        return {**_of_ours(error), "traceback": text if error.cause == "UserError" else shown}
    end = ends.user_error(_line(error), traceback=text, exit_code=1, advice=_advice(error))
    return {**end, "retryable": False} if isinstance(error, NonRetryable) else end


def user_traceback(error: BaseException) -> str:
    """The traceback with the user's frames only; empty for an error of ours that no frame of theirs led to."""
    from traceback import TracebackException

    try:
        found = TracebackException(type(error), error, error.__traceback__, compact=True)
        has_frames = _trim(found)
        if isinstance(error, RunSideError) and not has_frames:
            return ""  # its message says all
        text = "".join(found.format())
    except Exception:  # noqa: BLE001  an exception whose own __str__ fails must not hide that there was one
        text = f"{type(error).__qualname__}\n"
    return text if len(text) <= _LONGEST_TRACEBACK else f"…{text[-_LONGEST_TRACEBACK:]}"


def user_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the user's first frame on; None where there is none."""
    trace = error.__traceback__
    skipped = (_OURS, "<frozen importlib", *_ON_THE_WAY)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(skipped):
        trace = trace.tb_next
    return trace


def _of_exit(code: object) -> dict[str, Any]:
    """As the interpreter reads the argument of ``sys.exit``: https://docs.python.org/3/library/sys.html#sys.exit."""
    if code is None or code == 0:
        return {**ends.completed("it called sys.exit(0)"), "exit_code": 0}
    if isinstance(code, int):
        return ends.user_error(
            f"it called sys.exit({code})", exit_code=code & 0xFF, advice="Look at its output for the reason."
        )
    return ends.user_error(_clip(f"it called sys.exit({str(code)!r})"), exit_code=1, advice="The message says why.")


def _of_ours(error: RunSideError) -> dict[str, Any]:
    message = _clip(str(error).partition("\n")[0])  # the rest is shown as the traceback
    if error.cause == "BadInput":
        return ends.bad_input(message, **({"advice": error.advice} if error.advice else {}))
    if error.cause == "BackendError":
        return ends.backend(message, **({"advice": error.advice} if error.advice else {}))
    return ends.user_error(message, exit_code=1, advice=error.advice)


def _advice(error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.partition(".")[0]
    if top in sys.modules and error.name != top:
        return ""  # the package is there, a part of it is not
    distribution = _DISTRIBUTIONS.get(error.name) or _DISTRIBUTIONS.get(top, top)
    return f"Add it to the requirements: --requirement {distribution}, or in the file's '# /// script' dependencies."


def _line(error: BaseException) -> str:
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001  the user's own class
        text = ""
    name = type(error).__qualname__
    if isinstance(error, SyntaxError):
        text = str(error.msg)
    return _clip(f"{name}: {text.splitlines()[0]}" if text else name)


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _trim(found: TracebackException) -> bool:
    """Take our own frames and the import system's out, in the chain of causes as well; whether any are left."""
    waiting, has_frames = [found], False
    while waiting:
        each = waiting.pop()
        kept = [frame for frame in each.stack or () if not frame.filename.startswith((_OURS, "<frozen importlib"))]
        while kept and kept[0].filename.startswith(_ON_THE_WAY):
            del kept[0]
        if kept:
            each.stack[:] = kept
            has_frames = True
        else:
            each.stack = None  # type: ignore[assignment]  # no heading of a traceback is written over nothing
        waiting += [near for near in (each.__cause__, each.__context__) if near is not None]
        waiting += getattr(each, "exceptions", None) or []
    return has_frames
