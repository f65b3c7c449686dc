"""``console``: a line on standard error of whatever process records the end."""

from __future__ import annotations

import sys

from framework.errors import NotificationError, UsageError
from framework.notifiers import Notice, Notifier


class Console(Notifier):
    """Writes to standard error.

    Args:
        address: Empty.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        if address:
            raise UsageError(f"console:{address}: the console has no address", advice="Write console.")

    def notify(self, notice: Notice) -> None:
        """Write the line."""
        try:
            sys.stderr.write(f"{notice.text}\n")
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError) as error:
            raise NotificationError("standard error is closed", advice="Use another notifier.") from error
