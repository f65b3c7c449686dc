"""The way to a scheduler from outside of its Kubernetes cluster: a port of this machine, forwarded by the API.

The API forwards by websocket (subprotocol ``v4.channel.k8s.io``): of one port, channel 0 is the data and channel 1 what
goes wrong, and the first message of each names the port.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Api

_PIECE: Final = 256 * 1024  # bytes of one message
_DATA: Final = 0
_HEAD: Final = 3  # bytes of a channel's first message: the channel, and the port


class Forward:
    """A port of this machine's loopback, each connection of which goes to a pod.

    Args:
        api: The cluster.
        find: Gives the path of the pod in the API, asked for each connection: a pod may have been replaced.
        port: The port in the pod.
    """

    def __init__(self, api: Api, find: Callable[[], str], port: int) -> None:
        self._api = api
        self._find = find
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, name="framework-dask-forward", daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port to connect to."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for one
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(here,), name="framework-dask-forward", daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        """Forward one connection to its end. That it cannot be is seen by who connects: it is closed."""
        with here:
            try:
                there = self._connect()
            except Exception:  # noqa: BLE001  of the API, the websocket, TLS: all mean the same here
                return
            try:
                threading.Thread(target=self._send, args=(here, there), daemon=True).start()
                self._receive(there, here)
            finally:
                with contextlib.suppress(OSError):
                    here.shutdown(socket.SHUT_RDWR)  # wakes the one that sends
                there.shutdown()

    def _connect(self) -> Any:
        from kubernetes.stream.ws_client import create_websocket

        scheme, _, rest = self._api.server.partition("://")
        url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}{self._find()}/portforward?ports={self._port}"
        return create_websocket(
            self._api.configuration, url, {**self._api.headers(), "sec-websocket-protocol": "v4.channel.k8s.io"}
        )

    def _send(self, here: socket.socket, there: Any) -> None:
        from websocket import WebSocketException

        with contextlib.suppress(OSError, WebSocketException):
            while piece := here.recv(_PIECE):
                there.send_binary(bytes([_DATA]) + piece)
        with contextlib.suppress(OSError, WebSocketException):
            there.send_close()  # the other side closes as well, and the one that receives ends

    def _receive(self, there: Any, here: socket.socket) -> None:
        from websocket import WebSocketException

        begun: set[int] = set()
        with contextlib.suppress(OSError, WebSocketException):
            while message := there.recv():
                channel = message[0]
                if channel not in begun and len(message) == _HEAD:
                    begun.add(channel)
                elif channel == _DATA:
                    here.sendall(memoryview(message)[1:])
                else:
                    return  # it says why; the connection is over
