"""The cluster's API: documents in, documents out, and streams of lines.

Who it is and how it is reached comes from the official client's configuration (KUBECONFIG, exec plugins, in-cluster
tokens); the objects stay JSON, so that none of the client's models are made.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import urlencode

from framework.errors import BackendError
from framework_runtime_job.names import CONTAINER

Json = dict[str, Any]
T = TypeVar("T")

_CONNECT: Final = 5.0  # seconds for a connection
_READ: Final = 30.0  # seconds for an answer that is no stream
_IDLE: Final = 60.0  # seconds without a word after which a stream is asked for again
_PATIENCE: Final = 20.0  # seconds in which what failed for a moment is tried again
_PAUSE: Final = 0.25  # seconds before the first repetition; doubles
_TRANSIENT: Final = frozenset({429, 500, 502, 503, 504})
_CONNECTIONS: Final = 64  # that are kept open: as many as there may be followers in one process
_NO_NAMESPACE: Final = re.compile(r'namespaces "([^"]+)" not found')
_NOT_ADMITTED: Final = re.compile(r'violates PodSecurity|denied the request|"[^"]*" is forbidden: (?!User )')
_CONNECTION: Final = re.compile(r"^(<[^>]*>|\w+\([^)]*\)): ")  # urllib3's name of the object that failed
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Unreachable(BackendError):  # noqa: N818  a state of the network, named as people say it
    """The cluster does not answer: nothing is concluded from that."""


class Refused(BackendError):  # noqa: N818  as above
    """The cluster answered with a refusal.

    Args:
        status: The HTTP status.
        reason: The API's word for it, such as ``AlreadyExists``.
        message: What it says.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"the cluster refused it ({status} {reason}): {message}", advice=_advice(status, message))
        self.status = status
        self.reason = reason
        self.said = message

    @property
    def is_passing(self) -> bool:
        """Whether it may be otherwise in a moment: a server that restarts, a node that does not answer it."""
        return self.status in _TRANSIENT


class Api:
    """One cluster, as one context of the configuration sees it.

    Args:
        context: The context's name; empty for the current one.
        server: The API server that it has to be; a context that leads there is looked for where ``context`` does not.
    """

    def __init__(self, context: str = "", server: str = "") -> None:
        self._context = context
        self._server = server
        self._lock = threading.Lock()
        self._seen = (0.0, 0.0)  # the cluster's time of its last answer, and ours of the monotonic clock

    @cached_property
    def namespace(self) -> str:
        """The namespace of what names none."""
        self.configuration  # noqa: B018  it is read with the rest
        return self._namespace

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
        with self._lock:
            return self._configuration

    @cached_property
    def _configuration(self) -> Any:
        from kubernetes import client, config

        configuration = client.Configuration()
        configuration.connection_pool_maxsize = _CONNECTIONS
        try:
            if _in_cluster(self._context):
                config.load_incluster_config(client_configuration=configuration)
                self._namespace = (_SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip()
                return configuration
            contexts, active = config.list_kube_config_contexts(_config_file())
            name = self._chosen(config, contexts, active)
            config.load_kube_config(_config_file(), context=name, client_configuration=configuration)
        except config.ConfigException as error:
            raise _unconfigured(error) from None
        found = next(each for each in contexts if each["name"] == name)
        self._namespace = found["context"].get("namespace") or "default"
        return configuration

    def _chosen(self, config: Any, contexts: list[Json], active: Json) -> str:
        """The name of the context: the one that is wanted, or the first one that leads to the server."""
        wanted = self._context or active["name"]
        if not self._server:
            return str(wanted)
        from kubernetes.client import Configuration

        for name in dict.fromkeys([wanted, *(each["name"] for each in contexts)]):
            found = Configuration()
            try:
                config.load_kube_config(_config_file(), context=name, client_configuration=found)
            except config.ConfigException:
                continue  # a context that is not there, or cannot be used
            if found.host == self._server:
                return str(name)
        raise Unreachable(
            f"no context leads to {self._server}, where the run is",
            advice="Add it to KUBECONFIG, or set context in [runtime.job] of config.toml.",
        )

    @cached_property
    def _pool(self) -> Any:
        from kubernetes.client.rest import RESTClientObject

        return RESTClientObject(self.configuration).pool_manager

    # Documents

    def get(self, path: str, **query: Any) -> Json:
        """Read a document.

        Raises:
            Refused: The cluster said no.
            Unreachable: It said nothing.
        """
        return self._document("GET", path, query=query)

    def find(self, path: str) -> Json | None:
        """Read a document; None where it is not there. Errors as `get`."""
        try:
            return self.get(path)
        except Refused as error:
            if error.status == 404:  # noqa: PLR2004
                return None
            raise

    def list(self, path: str, **query: Any) -> list[Json]:
        """The items of a list. Errors as `get`."""
        items: list[Json] = self.get(path, **query)["items"]
        return items

    def create(self, path: str, body: Json, **query: Any) -> Json:
        """Create an object; one that is there already under the name is returned as it is.

        What fails for a moment is tried again: the names are ours alone, so the second time finds what the first made.
        """
        try:
            return self.patiently(lambda: self._document("POST", path, body=body, query=query))
        except Refused as error:
            if error.reason != "AlreadyExists":
                raise
        return self.get(f"{path}/{body['metadata']['name']}")

    def patch(self, path: str, body: Any, kind: str = "application/merge-patch+json", **query: Any) -> Json:
        """Change an object. Errors as `get`."""
        return self.patiently(lambda: self._document("PATCH", path, body=body, query=query, kind=kind))

    def delete(self, path: str, **options: Any) -> None:
        """Delete an object; nothing happens when it is not there. Errors as `get`."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        try:
            self.patiently(lambda: self._document("DELETE", path, body=body))
        except Refused as error:
            if error.status != 404:  # noqa: PLR2004
                raise

    def patiently(self, call: Callable[[], T], patience: float = _PATIENCE) -> T:
        """Call something, and again where it fails for a moment, for ``patience`` seconds."""
        deadline, pause = time.monotonic() + patience, _PAUSE
        while True:
            try:
                return call()
            except (Refused, Unreachable) as error:
                passing = isinstance(error, Unreachable) or error.is_passing
                if not passing or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, 4.0)

    def _document(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None, kind: str = ""
    ) -> Json:
        from urllib3.exceptions import HTTPError

        response = self._request(method, path, body=body, query=query, kind=kind, read=_READ)
        try:
            data = response.data
        except HTTPError as error:
            raise self._unreachable(error) from error
        try:
            document: Json = json.loads(data)
        except ValueError:
            said = " ".join(data[:80].decode("utf-8", "replace").split())
            raise Unreachable(
                f"the server {self.server} does not speak the API of Kubernetes: {said}",
                advice="Check the server in KUBECONFIG, and whether a proxy or a login page answers in its place.",
            ) from None
        if date := response.headers.get("Date"):
            self._seen = (parsedate_to_datetime(date).timestamp(), time.monotonic())
        return document

    def age(self, stamp: str) -> float:
        """Seconds since a moment that the cluster has noted, by the cluster's own clock as of its last answer."""
        then = datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
        return self._now() - then

    def stamp(self) -> str:
        """This moment as the cluster notes it, by its own clock."""
        return datetime.fromtimestamp(self._now(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _now(self) -> float:
        return self._seen[0] + (time.monotonic() - self._seen[1])

    # Streams

    def stream(self, path: str, **query: Any) -> Any:
        """An answer that goes on: an ``urllib3`` response that has not been read. Errors as `get`.

        It breaks when nothing comes for a minute, because a connection that is dead says nothing either.
        """
        return self._request("GET", path, query=query, read=_IDLE)

    def execute(
        self,
        path: str,
        command: Sequence[str],
        data: BinaryIO | None = None,
        *,
        container: str = CONTAINER,
        timeout: float = 30.0,
    ) -> str:
        """Run a command in a container.

        Args:
            path: The pod's.
            command: Its words.
            data: What it reads from standard input; that is not closed behind it.
            container: In which.
            timeout: Seconds that it may take.

        Returns:
            What it wrote.

        Raises:
            BackendError: It could not be run, or failed.
        """
        from framework_runtime_job.executing import execute

        query = urlencode([*(("command", word) for word in command), ("container", container)])
        return execute(self.configuration, f"{self.server}{path}/exec?{query}", self._headers(), data, timeout)

    def _request(  # noqa: PLR0913  the parts of one request
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        kind: str = "",
        read: float,
    ) -> Any:
        import urllib3

        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers(), "accept": "application/json, */*", "user-agent": "framework-runtime-job"}
        if body is not None:
            headers["content-type"] = kind or "application/json"
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT, read=read),
                retries=False,
                preload_content=False,
            )
            if response.status >= 400:  # noqa: PLR2004
                raise _refusal(response.status, response.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        return response

    def _headers(self) -> dict[str, str]:
        """How we say who we are; a token that has run out is renewed by the configuration's own hook."""
        with self._lock:
            settings = self._configuration.auth_settings().values()
            found = {each["key"]: each["value"] for each in settings if each["in"] == "header" and each["value"]}
        return {str(name): str(value) for name, value in found.items()}

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"the cluster at {self.server} does not answer: {_short(error)}",
            advice="Check the network and KUBECONFIG; runs that have been started go on.",
        )


def _config_file() -> str:
    """What KUBECONFIG names now, or the usual file: the client itself looks once, when it is imported."""
    return os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def _unconfigured(error: Exception) -> BackendError:
    """What is wrong with the configuration, by the name of the file that was looked at."""
    named = os.environ.get("KUBECONFIG", "")
    missing = [path for path in named.split(os.pathsep) if path and not Path(path).exists()]
    if missing:
        why = f"KUBECONFIG names {', '.join(missing)}, which is not there"
    elif not named and not (Path.home() / ".kube" / "config").exists():
        why = "KUBECONFIG is not set, and there is no ~/.kube/config"
    else:
        why = str(error).splitlines()[0]
    return BackendError(
        f"no cluster is configured: {why}",
        advice="Let KUBECONFIG name a file with the wanted context: kubectl config get-contexts lists what there is.",
    )


def _in_cluster(context: str) -> bool:
    """Whether this process is in a pod and no other cluster is configured."""
    if context or os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists():
        return False
    return (_SERVICE_ACCOUNT / "token").exists()


def _refusal(status: int, data: bytes) -> Refused:
    try:
        found = json.loads(data)
        return Refused(status, str(found.get("reason") or ""), str(found.get("message") or ""))
    except (ValueError, AttributeError):
        return Refused(status, "", data[:300].decode("utf-8", "replace").strip())


def _advice(status: int, message: str) -> str:
    if name := _NO_NAMESPACE.match(message):
        return f"Create it (kubectl create namespace {name[1]}), or name another: -o namespace=NAME."
    if status == 401:  # noqa: PLR2004
        return "Log in to the cluster again: its configuration's credentials are not taken."
    if "exceeded quota" in message:
        return "Ask for less, or let the quota be raised: kubectl describe quota."
    if _NOT_ADMITTED.search(message):
        return "The cluster's rules do not admit it: mend the spec as they say, or use another namespace."
    if status == 403:  # noqa: PLR2004
        return "Ask for the permission, or use another namespace: framework doctor --kind job lists what is needed."
    return "Mend what the message names, and run it again."


def _short(error: Exception) -> str:
    text = _CONNECTION.sub("", str(error))
    return text.splitlines()[0][:300] if text else type(error).__name__
