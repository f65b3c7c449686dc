"""The interface of a notifier: a way to tell somebody that a run has ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from attrs import frozen

__all__ = ["Notice", "Notifier"]


@frozen(kw_only=True)
class Notice:
    """What is told.

    Args:
        text: One line for people.
        run: The document of the ended run; values of secrets are masked in it.
    """

    text: str
    run: dict[str, Any]


class Notifier(ABC):
    """Tells somebody.

    It is made when a run is planned, so that an address that is none is refused then, and again when the run has ended,
    in whatever process records the end.

    Args:
        address: What stands behind the colon in ``NAME:ADDRESS``; empty where there is none.

    Raises:
        UsageError: The address is none.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def place(self) -> str:
        """The part of the address that may be shown: nothing unless told."""
        return ""

    @abstractmethod
    def notify(self, notice: Notice) -> None:
        """Tell it, and return within half a minute or so, whatever the other side does.

        Raises:
            NotificationError: It could not be told; the message does not hold the address.
        """
