"""Every error that this package raises on purpose.

    FrameworkError
    ├── UsageError               the command or the call is wrong                    exit code 2
    │   ├── DocumentError        a document does not fit its class ($.path, value, nearest name)
    │   ├── UriError             a URI does not parse
    │   ├── SourceError          code that cannot become a Function (file, handler, syntax)
    │   ├── ParameterError       parameters that do not bind to the handler's signature
    │   ├── ConditionError       a condition such as ``results.accuracy > 0.9`` does not parse
    │   ├── UnknownKind          a kind, scheme or name that no installed plugin registers
    │   └── NotFound             no such run, function, artifact, project
    │       └── Ambiguous        a shortened uid that fits several
    ├── RunFailed                a run ended and is not completed (`framework.api.runs`)  exit code 1
    ├── BackendError             a database, storage or runtime could not do it      exit code 1
    │   ├── DatabaseError        cannot be opened, is newer, is locked, is full
    │   ├── StorageError         cannot be read or written
    │   ├── NotificationError    nobody could be told of the end of a run
    │   └── CapabilityMissing    this kind cannot do that
    └── PluginError              a plugin that cannot be used                        exit code 1

Each carries ``advice``, one line that says how to mend it, and the exit code of its class. What is no error is a
`FrameworkWarning`.
"""

from __future__ import annotations

from typing import ClassVar


class FrameworkError(Exception):
    """The root of the tree.

    Args:
        message: What is wrong, naming the field and the value.
        advice: How to mend it, one line; empty when there is nothing to advise.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class FrameworkWarning(UserWarning):
    """What goes on, and may not be what was wanted; the command line shows its text alone."""


class UsageError(FrameworkError):
    """The command or the call is wrong."""

    exit_code: ClassVar[int] = 2


class DocumentError(UsageError):
    """A document does not fit its class."""


class UriError(UsageError):
    """A URI does not parse."""


class SourceError(UsageError):
    """Code that cannot become a Function."""


class ParameterError(UsageError):
    """Parameters that do not bind to the handler's signature."""


class ConditionError(UsageError):
    """A condition does not parse."""


class UnknownKind(UsageError):  # noqa: N818  a state of the installation, named as people say it
    """A kind, scheme or name that no installed plugin registers."""


class NotFound(UsageError):  # noqa: N818  as in every HTTP library
    """No such run, function, artifact or project."""


class Ambiguous(NotFound):
    """A shortened uid that fits several runs."""


class BackendError(FrameworkError):
    """A database, storage or runtime could not do what was asked."""


class DatabaseError(BackendError):
    """A database cannot be opened, is newer than this code, stays locked, or is full."""


class StorageError(BackendError):
    """A storage cannot be read or written."""


class NotificationError(BackendError):
    """Nobody could be told of the end of a run; the run itself is as it is."""


class CapabilityMissing(BackendError):  # noqa: N818  what is missing is said by its name
    """The kind cannot do what was asked of it."""


class PluginError(FrameworkError):
    """A plugin that cannot be used."""
