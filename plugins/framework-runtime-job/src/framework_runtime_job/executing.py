"""Commands in containers, by the API's websocket."""

from __future__ import annotations

import json
import time
from typing import Any, BinaryIO, Final

from framework.errors import BackendError

_PIECE: Final = 256 * 1024  # bytes of one message
_STDIN: Final = 0
_STATUS: Final = 3  # the channel of the API's own word


def execute(configuration: Any, url: str, headers: dict[str, str], data: BinaryIO | None, timeout: float) -> str:
    """Run a command in a container; arguments, result and errors as `framework_runtime_job.api.Api.execute`."""
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream.ws_client import WSClient
    from websocket import WebSocketException

    scheme, _, rest = url.partition("://")
    streams = "&stdout=true&stderr=true" + ("&stdin=true" if data else "")
    address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}{streams}"
    try:
        client = WSClient(configuration, address, headers, capture_all=True)
        try:
            _feed(client, data)
            return _outcome(client, timeout)
        finally:
            client.sock.shutdown()  # the client's own `close` leaves it open when the other side was first
    except (ApiException, WebSocketException, OSError, ValueError) as error:
        raise BackendError(f"no command can be run in the pod: {error}", advice="It needs pods/exec.") from error


def _feed(client: Any, data: BinaryIO | None) -> None:
    from websocket import ABNF

    while data is not None and (piece := data.read(_PIECE)):
        client.sock.send(bytes([_STDIN]) + piece, opcode=ABNF.OPCODE_BINARY)


def _outcome(client: Any, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    while client.is_open():
        client.update(timeout=1)
        if time.monotonic() > deadline:
            raise BackendError(f"a command in the pod took longer than {timeout:g} s", advice="Try it again.")
    status = json.loads(client.read_channel(_STATUS) or "{}")
    written = str(client.read_all())  # it empties the channels
    if status.get("status") != "Success":
        message = status.get("message", "no answer")
        raise BackendError(f"a command in the pod failed: {message}: {written[-300:].strip()}", advice="Try it again.")
    return written
