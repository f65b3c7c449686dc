"""The logger of a context."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Handler = logging.StreamHandler[Any]
else:
    _Handler = logging.StreamHandler  # no generic class in Python 3.10


class _ToStandardError(_Handler):
    """Writes to what ``sys.stderr`` is at the moment of writing, because an inline run puts another one there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """Nothing can be put in its place."""


def make(name: str) -> logging.Logger:
    """A logger outside of logging's tree: nothing that a program configures there doubles or silences it.

    Args:
        name: What it is called.
    """
    logger = logging.Logger(name, logging.INFO)  # noqa: LOG001  outside of the tree on purpose
    handler = _ToStandardError()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger
