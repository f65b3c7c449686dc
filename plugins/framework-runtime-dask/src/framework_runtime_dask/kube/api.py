"""The API of a Kubernetes cluster: JSON in, JSON out.

Who it is and how it is reached comes from the official client's configuration (KUBECONFIG, exec plugins, in-cluster
tokens); the objects stay JSON, so that none of the client's models are made.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from framework.errors import BackendError

Json = dict[str, Any]

_CONNECT: Final = 5.0  # seconds for a connection
_READ: Final = 30.0  # seconds for an answer
_REFUSED: Final = 400  # the first HTTP status that is a refusal
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT = 401, 403, 404, 409
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ApiError(BackendError):
    """The API did not do what it was asked.

    Args:
        message: What it says.
        status: The HTTP status; 0 where it did not answer.
        about: What kind of thing it speaks of, such as ``namespaces``.
        advice: How to mend it.
    """

    def __init__(self, message: str, *, status: int = 0, about: str = "", advice: str = "") -> None:
        super().__init__(message, advice=advice or _advice(status))
        self.status = status
        self.about = about

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there."""
        return self.status == _NOT_FOUND

    @property
    def is_taken(self) -> bool:
        """Whether the name is taken already."""
        return self.status == _CONFLICT


class Api:
    """One cluster, as one context of the configuration sees it.

    Args:
        context: The context's name; empty for the current one.
        server: The API server that it has to be; where the context leads elsewhere, one that leads there is looked for.
    """

    def __init__(self, context: str = "", server: str = "") -> None:
        self._context = context
        self._server = server
        self._lock = threading.Lock()

    @property
    def inside(self) -> bool:
        """Whether this process is in a pod of the cluster."""
        if self._context or os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists():
            return False
        return (_SERVICE_ACCOUNT / "token").exists()

    @property
    def namespace(self) -> str:
        """The namespace of what names none."""
        return str(self._loaded[1])

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self.configuration.host)

    @property
    def configuration(self) -> Any:
        """The official client's configuration.

        Raises:
            BackendError: There is none, or it cannot be read.
        """
        return self._loaded[0]

    @property
    def _loaded(self) -> tuple[Any, str]:
        with self._lock:
            return self._read

    @cached_property
    def _read(self) -> tuple[Any, str]:
        try:
            from kubernetes import client, config
        except ImportError:
            raise BackendError(
                "the provider 'operator' needs the client of Kubernetes, which is not installed",
                advice="pip install 'framework-runtime-dask[operator]'",
            ) from None
        configuration = client.Configuration()
        try:
            if self.inside:
                config.load_incluster_config(client_configuration=configuration)
                return configuration, (_SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip()
            # The library itself looks once, when it is imported.
            file = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
            contexts, active = config.list_kube_config_contexts(config_file=file)
            wanted = self._context or active["name"]
            for name in dict.fromkeys([wanted, *(each["name"] for each in contexts if self._server)]):
                config.load_kube_config(config_file=file, context=name, client_configuration=configuration)
                if self._server in ("", configuration.host):
                    break
            else:
                raise ApiError(
                    f"no context leads to {self._server}, where the cluster is", advice="Add it to KUBECONFIG."
                )
        except config.ConfigException as error:
            raise BackendError(
                f"no Kubernetes cluster is configured: {str(error).splitlines()[0]}",
                advice="Let KUBECONFIG name a file, or name a context: -o context=NAME",
            ) from None
        found = next(each for each in contexts if each["name"] == name)
        return configuration, found["context"].get("namespace") or "default"

    @cached_property
    def _pool(self) -> Any:
        from kubernetes.client.rest import RESTClientObject

        return RESTClientObject(self.configuration).pool_manager

    def headers(self) -> dict[str, str]:
        """How we say who we are; a token that has run out is renewed by the configuration's own hook."""
        with self._lock:
            settings = self._read[0].auth_settings().values()
        return {str(it["key"]): str(it["value"]) for it in settings if it["in"] == "header" and it["value"]}

    def get(self, path: str, **query: Any) -> Json:
        """Read a document.

        Raises:
            ApiError: The API refused it, or does not answer.
        """
        document: Json = json.loads(self.call("GET", path, query=query))
        return document

    def find(self, path: str) -> Json | None:
        """Read a document; None where it is not there. Errors as `get`."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def list(self, path: str, selector: str) -> list[Json]:
        """The items with the labels of a selector. Errors as `get`."""
        items: list[Json] = self.get(path, labelSelector=selector)["items"]
        return items

    def create(self, path: str, body: Json, *, strict: bool = False) -> Json:
        """Create an object; ``strict`` where a field that the cluster does not know is an error. Errors as `get`."""
        query = {"fieldValidation": "Strict"} if strict else None
        document: Json = json.loads(self.call("POST", path, body=body, query=query))
        return document

    def patch(self, path: str, body: Json) -> Json:
        """Change an object by a merge patch. Errors as `get`."""
        document: Json = json.loads(self.call("PATCH", path, body=body))
        return document

    def delete(self, path: str) -> None:
        """Delete an object and what belongs to it; nothing happens when it is not there. Errors as `get`."""
        try:
            self.call("DELETE", path, body={"propagationPolicy": "Background"})
        except ApiError as error:
            if not error.is_missing:
                raise

    def call(self, method: str, path: str, *, body: Json | None = None, query: Json | None = None) -> bytes:
        """One request.

        Returns:
            The answer's content.

        Raises:
            ApiError: The API refused it, or does not answer.
        """
        import urllib3

        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {**self.headers(), "accept": "application/json, */*", "user-agent": "framework-runtime-dask"}
        try:
            response = self._pool.request(
                method,
                self.server + path + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body),
                headers={**headers, "content-type": kind} if body is not None else headers,
                timeout=urllib3.Timeout(connect=_CONNECT, read=_READ),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(
                f"the Kubernetes cluster at {self.server} does not answer: {_line(error)}",
                advice="Check the network and KUBECONFIG; runs that have been started go on.",
            ) from error
        if response.status >= _REFUSED:
            raise _refusal(response.status, response.data)
        data: bytes = response.data
        return data


def age(stamp: str) -> float:
    """Seconds since a moment that the cluster has noted, by this machine's clock."""
    then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return (datetime.now(timezone.utc) - then).total_seconds()


def _refusal(status: int, data: bytes) -> ApiError:
    try:
        found = json.loads(data)
        said, about = str(found.get("message") or ""), str((found.get("details") or {}).get("kind") or "")
    except (ValueError, AttributeError):
        said, about = data[:300].decode("utf-8", "replace").strip(), ""
    return ApiError(f"the Kubernetes cluster refused it ({status}): {said}", status=status, about=about)


def _advice(status: int) -> str:
    if status == _UNAUTHORIZED:
        return "Log in to the cluster again: its configuration's credentials are not taken."
    if status == _FORBIDDEN:
        asked = "framework doctor FILE.py:FUNCTION --kind dask -o provider=operator"
        return f"Ask for the permission, or use another namespace: {asked} lists what is needed."
    return "Mend what the message names, and run it again."


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
