"""Function: code plus everything that running it takes."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Factory, define

from framework.models.causes import Cause

CodeType = Literal["file", "folder", "module", "command", "callable", "notebook", "archive", "git"]


@define(kw_only=True)
class Parameter:
    """One parameter of an entry point, as read from the code without running it."""

    name: str
    annotation: str = ""
    default: str = ""  # the source text of the default; empty when there is none
    kind: Literal["positional", "keyword", "var_positional", "var_keyword"] = "positional"
    required: bool = False
    doc: str = ""


@define(kw_only=True)
class EntryPoint:
    """A function of the source that can be a handler."""

    name: str
    doc: str = ""
    parameters: list[Parameter] = Factory(list)
    returns: str = ""
    is_async: bool = False


@define(kw_only=True)
class Code:
    """Where the code lies, and which part of it is run.

    ``files`` is the content: relative path to the SHA-256 of each file. It enters the identity in place of ``path``.
    """

    type: CodeType = "file"
    path: str = ""  # absolute path of the file or folder, or the URL; provenance, never part of the identity
    files: dict[str, str] = Factory(dict)
    module: str = ""
    handler: str = ""
    command: list[str] = Factory(list)
    workdir: str = ""


@define(kw_only=True)
class Environment:
    """What the code needs around it."""

    image: str = ""
    base_image: str = ""
    commands: list[str] = Factory(list)
    build_requirements: list[str] = Factory(list)
    requirements: list[str] = Factory(list)  # installed at the start; PEP 508
    python: str = ""  # a version specifier, as `requires-python` of PEP 723
    env: dict[str, str] = Factory(dict)
    env_from_file: str = ""
    secrets: dict[str, str] = Factory(dict)  # variable name to a reference such as env:TOKEN; never a value


@define(kw_only=True)
class Resources:
    """Requests and limits by resource name, in Kubernetes quantities ("500m", "2Gi", 1)."""

    requests: dict[str, Any] = Factory(dict)
    limits: dict[str, Any] = Factory(dict)


@define(kw_only=True)
class Placement:
    """Where a backend may put it; field meanings are those of the Kubernetes Pod."""

    node_selector: dict[str, str] = Factory(dict)
    affinity: dict[str, Any] = Factory(dict)
    tolerations: list[dict[str, Any]] = Factory(list)
    priority_class: str = ""
    preemption: Literal["allow", "constrain", "prevent", "none"] | None = None
    service_account: str = ""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: list[str] = Factory(list)
    security_context: dict[str, Any] = Factory(dict)


@define(kw_only=True)
class Volume:
    """A volume and where it is mounted."""

    name: str
    mount: str
    type: Literal["pvc", "config_map", "secret", "host_path", "empty_dir"] = "pvc"
    source: str = ""  # the name of the claim, map or secret, or the path on the host
    sub_path: str = ""
    read_only: bool = False


@define(kw_only=True)
class Storage:
    """Volumes, and where artifacts go."""

    volumes: list[Volume] = Factory(list)
    artifact_path: str = ""


@define(kw_only=True)
class Scale:
    """Replicas, or a range of them."""

    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None


@define(kw_only=True)
class Timeouts:
    """Limits of time, in seconds."""

    pending: float | None = None
    image_pull: float | None = None
    run: float | None = None
    grace: float | None = None


@define(kw_only=True)
class Retry:
    """How often an attempt that failed is repeated, and after which causes."""

    attempts: int = 1  # in all
    backoff: float = 1.0  # seconds before the second attempt, at most; doubles with each
    backoff_cap: float = 300.0  # seconds
    on: list[Cause] = Factory(list)  # empty: every cause but UserError, BadInput and Aborted
    memory_factor: float = 1.5  # by which memory is raised for the next attempt after OutOfMemory
    memory_cap: str = ""  # to which it is raised at most, such as "16Gi"


@define(kw_only=True)
class Life:
    """How often and how long it may try, and how long what it leaves is kept."""

    retry: Retry = Factory(Retry)
    timeouts: Timeouts = Factory(Timeouts)
    ttl: float | None = None  # seconds after the end


@define(kw_only=True)
class Cache:
    """Whether a run may reuse what an identical one gave, and for how long."""

    enabled: bool = False
    ttl: float | None = None  # seconds after the end of the run that is reused


@define(kw_only=True)
class FunctionSpec:
    """The spec that every kind shares; ``options`` are the kind's own, validated by its plugin's class."""

    code: Code = Factory(Code)
    environment: Environment = Factory(Environment)
    resources: Resources = Factory(Resources)
    placement: Placement = Factory(Placement)
    storage: Storage = Factory(Storage)
    scale: Scale = Factory(Scale)
    life: Life = Factory(Life)
    cache: Cache = Factory(Cache)
    options: dict[str, Any] = Factory(dict)


@define(kw_only=True)
class FunctionMetadata:
    """What a Function is called; none of it enters the identity."""

    name: str = ""
    project: str = "default"
    labels: dict[str, str] = Factory(dict)
    description: str = ""
    categories: list[str] = Factory(list)


@define(kw_only=True)
class FunctionStatus:
    """What is known of one version: its hash, entry points, provenance."""

    version: str = ""  # sha256:…
    tags: list[str] = Factory(list)
    entry_points: list[EntryPoint] = Factory(list)
    provenance: dict[str, Any] = Factory(dict)  # git commit, dirty, author
    created: float | None = None  # seconds since the epoch, UTC


@define(kw_only=True)
class Function:
    """A versioned Function: ``{kind, metadata, spec, status}``."""

    kind: str = "local"
    metadata: FunctionMetadata = Factory(FunctionMetadata)
    spec: FunctionSpec = Factory(FunctionSpec)
    status: FunctionStatus = Factory(FunctionStatus)
