"""What the run side raises on purpose, each with the cause that it ends a run with.

RunSideError
├── BindingError    BadInput      parameters that do not bind
├── LoadingError    BadInput      code that cannot be imported, a handler that is not there
├── PackingError    UserError     a value that cannot be kept
├── StorageError    BackendError  an artifact that could not be stored
├── SecretError     BadInput      a secret that is not there
└── InstallError    BadInput      requirements that cannot be installed
    └── NetworkError  BackendError  the package index cannot be reached
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class RunSideError(Exception):
    """The root.

    Args:
        message: What is wrong, naming the thing and the value.
        advice: How to mend it, one line.
    """

    cause: ClassVar[str] = "UserError"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class BindingError(RunSideError):
    """Parameters that do not bind.

    Args:
        message: Which parameter, its value, what is wanted, and the handler's signature.
        signature: The handler's signature alone.
        advice: How to mend it, one line.
    """

    cause: ClassVar[str] = "BadInput"

    def __init__(self, message: str, signature: str = "", *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.signature = signature


class LoadingError(RunSideError):
    """Code that cannot be imported, or a handler that is not in it."""

    cause: ClassVar[str] = "BadInput"


class PackingError(RunSideError, TypeError):
    """A value that cannot be kept."""


class StorageError(RunSideError, OSError):
    """An artifact that could not be stored."""

    cause: ClassVar[str] = "BackendError"


class SecretError(RunSideError):
    """A secret that is not there; the message never holds a value."""

    cause: ClassVar[str] = "BadInput"


class InstallError(RunSideError):
    """Requirements that cannot be installed."""

    cause: ClassVar[str] = "BadInput"


class NetworkError(InstallError):
    """The package index cannot be reached."""

    cause: ClassVar[str] = "BackendError"


class NonRetryable(Exception):  # noqa: N818  it says what is to be done, and the message says what is wrong
    """Raised by the user's code: it fails, and to repeat the run would not help."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like a name; empty when none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"``, or nothing when no known name is near."""
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near else ""
