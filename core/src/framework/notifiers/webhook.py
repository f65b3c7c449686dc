"""``webhook:URL``: an HTTP POST of a JSON body that Slack, and what is compatible with it, understands."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from framework.errors import NotificationError, UsageError
from framework.notifiers import Notice, Notifier


class Webhook(Notifier):
    """Posts ``{"text": …, "run": {uid, name, project, state, cause, message, results, started, ended}}``.

    Args:
        address: The URL, ``http`` or ``https``.
    """

    patience = 10.0  # seconds for each step: to connect, and to be answered

    def __init__(self, address: str) -> None:
        super().__init__(address)
        try:
            parts = urlsplit(address)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise UsageError(f"webhook: the URL is none: {error}", advice="Write webhook:https://host/path.") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("webhook: the URL is none of http or https", advice="Write webhook:https://host/path.")
        self._place = f"{parts.scheme}://{parts.hostname}{port}"

    @property
    def place(self) -> str:
        """The host: what comes behind it is often the key to it."""
        return self._place

    def notify(self, notice: Notice) -> None:
        """Post it once."""
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError
        from urllib.request import Request, urlopen

        headers = {"Content-Type": "application/json", "User-Agent": "framework"}
        request = Request(self.address, _body(notice), headers, method="POST")  # noqa: S310  http or https only
        try:
            with urlopen(request, timeout=self.patience):  # noqa: S310  likewise
                return
        except HTTPError as error:
            with error:
                reason = f"{self._place} answered {error.code} {error.reason}"
        except TimeoutError:
            reason = f"{self._place} has not answered within {self.patience:g} s"
        except URLError as error:
            cause = error.reason
            reason = f"{self._place} cannot be reached: {getattr(cause, 'strerror', None) or cause}"
        except (OSError, HTTPException, ValueError) as error:
            reason = f"{self._place}: {type(error).__name__}"
        raise NotificationError(reason, advice="Check the URL, and whether it can be reached from here.")


def _body(notice: Notice) -> bytes:
    run, status = notice.run, notice.run["status"]
    about = {name: run["metadata"].get(name) for name in ("uid", "name", "project")}
    about |= {name: status.get(name) for name in ("state", "cause", "message", "results", "started", "ended")}
    return json.dumps({"text": notice.text, "run": about}).encode()
