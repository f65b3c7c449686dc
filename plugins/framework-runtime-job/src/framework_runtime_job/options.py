"""The options of the kind ``job``: ``spec.options`` of a Function, or ``-o NAME=VALUE``."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define


@define(kw_only=True)
class JobOptions:
    """What only a Kubernetes Job has."""

    namespace: str = ""  # the context's unless told
    context: str = ""  # of KUBECONFIG; the current one unless told
    python: str = "python3"  # the interpreter in the image, 3.10 or newer
    labels: dict[str, str] = Factory(dict)  # of the Job and its pods
    annotations: dict[str, str] = Factory(dict)
    env_from: list[dict[str, Any]] = Factory(list)  # configMapRef, secretRef: as in a container
    deadline: float | None = None  # seconds after the pod's start, the image's pull included, when the kubelet ends it
    suspend: bool = False  # created suspended: a queue or a person lets it begin
    patch: Any = None  # over the Job: a strategic merge patch (a mapping) or a JSON patch (a list)
    log_first: int = 4 << 20  # bytes of a detached run's log that are kept from its beginning
    log_last: int = 1 << 20  # and from its end; what is between is counted
    keep: float | None = None  # seconds that the pod stays for an artifact that was too large for its events
