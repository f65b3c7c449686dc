"""``command:WORDS``: a program that gets the notice as JSON on its standard input."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import Final

from framework.errors import NotificationError, UsageError
from framework.notifiers import Notice, Notifier

_LONGEST: Final = 200  # characters of what a program says when it fails


class Command(Notifier):
    """Starts a program; no shell takes part.

    Args:
        address: The program, on PATH or by its absolute path, and its arguments, quoted as for a shell.
    """

    patience = 30.0  # seconds

    def __init__(self, address: str) -> None:
        super().__init__(address)
        try:
            self._words = shlex.split(address)
        except ValueError as error:
            raise UsageError(f"command:{address}: {error}", advice="Close the quotes.") from None
        if not self._words or shutil.which(self._words[0]) is None:
            what = f"there is no program {self._words[0]!r}" if self._words else "a program is missing"
            raise UsageError(f"command:{address}: {what}", advice="Name one on PATH, or by its absolute path.")

    @property
    def place(self) -> str:
        """The program, without its arguments."""
        return self._words[0]

    def notify(self, notice: Notice) -> None:
        """Run the program to its end."""
        content = json.dumps({"text": notice.text, "run": notice.run}).encode()
        program = self._words[0]
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise NotificationError(f"{program} cannot be started: {error.strerror}", advice="Check it.") from error
        with process:
            try:
                _, said = process.communicate(content, timeout=self.patience)
            except BaseException as error:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise NotificationError(
                    f"{program} has not ended after {self.patience:g} s", advice="Let it end sooner, or use a webhook."
                ) from None
        if process.returncode:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            words = f": {lines[-1][:_LONGEST]}" if lines else ""
            raise NotificationError(f"{program} ended with exit code {process.returncode}{words}", advice="Mend it.")
