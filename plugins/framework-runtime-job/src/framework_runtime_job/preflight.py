"""What a function would meet at the cluster, asked before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from framework.errors import BackendError
from framework.models import Function
from framework.pods import parts
from framework.runtimes import Finding
from framework_runtime_job import causes, manifests
from framework_runtime_job.api import Api, Refused
from framework_runtime_job.settings import JobSettings
from framework_runtime_job.subject import Subject

# Where a quota has these, a pod has to name them: kubernetes.io/docs/concepts/policy/resource-quotas.
_NAMED: Final = frozenset(
    {"cpu", "memory", *(f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory"))}
)
_QUOTA: Final = (
    "Ask for less, wait until others have ended, or ask for a larger quota; what has to be named is by --request and "
    "--limit, or in [runtime.job.defaults] of config.toml."
)
_NEEDED: Final = (
    ("batch", "jobs", "", ("create", "get", "list", "watch", "patch", "delete")),
    ("", "pods", "", ("get", "list", "watch", "patch", "delete")),
    ("", "pods", "log", ("get",)),
    ("", "pods", "exec", ("create",)),
    ("", "secrets", "", ("create", "get", "list", "patch", "delete")),
    ("", "configmaps", "", ("create", "get", "list", "delete")),
    ("", "events", "", ("list", "watch")),
)
_SEVERAL: Final = 8  # questions at once
_UNTOLD: Final = (401, 403)


def examine(api: Api, settings: JobSettings, function: Function | None) -> list[Finding]:
    """Look at the cluster, and at what a function needs of it.

    Args:
        api: The cluster.
        settings: The kind's settings.
        function: What would be sent; None for the cluster alone.
    """
    if function is None:
        try:
            api.configuration  # noqa: B018  whether there is one
        except BackendError as error:
            return [Finding(subject="cluster", ok=True, message=error.message)]  # who has none asks for none
    wanted = function or Function(kind="job")
    options = manifests.options_of(wanted)
    try:
        cluster = _cluster(api)
        namespace = options.namespace or settings.namespace or api.namespace
    except BackendError as error:
        return [Finding(subject="cluster", ok=False, message=error.message, advice=error.advice)]
    subject = Subject(api, namespace, wanted, options, settings)
    checks = [*_OF_CLUSTER, *(_OF_FUNCTION if function is not None else ())]
    with ThreadPoolExecutor(_SEVERAL) as several:
        found = list(several.map(lambda check: _checked(check, subject), checks))
    return [cluster, *(finding for findings in found for finding in findings)]


def _checked(check: Callable[[Subject], Iterator[Finding]], subject: Subject) -> list[Finding]:
    """One check; that it may not be made is no fault of the function."""
    name = check.__name__.strip("_").replace("_", " ")
    try:
        return list(check(subject))
    except Refused as error:
        if error.status in _UNTOLD:
            return [Finding(subject=name, ok=True, message="may not be looked at with these credentials")]
        return [Finding(subject=name, ok=False, message=error.message, advice=error.advice)]
    except BackendError as error:
        return [Finding(subject=name, ok=False, message=error.message, advice=error.advice)]


# The cluster


def _cluster(api: Api) -> Finding:
    version = api.get("/version")
    return Finding(subject="cluster", ok=True, message=f"{api.server} answers, {version.get('gitVersion', '')}")


def _namespace(subject: Subject) -> Iterator[Finding]:
    name = subject.namespace
    there = subject.api.find(f"/api/v1/namespaces/{name}") is not None
    message = f"{name} is there" if there else f"there is no namespace {name!r}"
    advice = "" if there else f"kubectl create namespace {name}, or set another: -o namespace=NAME"
    yield Finding(subject="namespace", ok=there, message=message, advice=advice)


def _permissions(subject: Subject) -> Iterator[Finding]:
    asked = [(group, kind, part, verb) for group, kind, part, verbs in _NEEDED for verb in verbs]
    with ThreadPoolExecutor(_SEVERAL) as several:
        answers = list(several.map(lambda words: _may(subject, *words), asked))
    missing: dict[str, list[str]] = {}
    for (_, kind, part, verb), may in zip(asked, answers, strict=True):
        if not may:
            missing.setdefault(f"{kind}/{part}" if part else kind, []).append(verb)
    words = "; ".join(f"{', '.join(verbs)} {kind}" for kind, verbs in missing.items())
    yield Finding(
        subject="permissions",
        ok=not missing,
        message=f"may not {words} in {subject.namespace}" if missing else "all that runs need",
        advice="Ask for a Role with these verbs, or use a namespace where you have them." if missing else "",
    )


def _may(subject: Subject, group: str, kind: str, part: str, verb: str) -> bool:
    attributes = {"namespace": subject.namespace, "group": group, "resource": kind, "subresource": part, "verb": verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    made = subject.api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(made.get("status", {}).get("allowed"))


def _quota(subject: Subject) -> Iterator[Finding]:
    wanted = _wanted(subject)
    given = {**_defaults(subject), **wanted}
    for quota in subject.api.list(f"/api/v1/namespaces/{subject.namespace}/resourcequotas"):
        status = quota.get("status", {})
        name, hard, used = quota["metadata"]["name"], status.get("hard", {}), status.get("used", {})
        over = [
            f"{resource}: {used.get(resource, '0')} of {limit} used, {wanted[resource]} wanted"
            for resource, limit in hard.items()
            if resource in wanted and _passes(used.get(resource, "0"), wanted[resource], limit)
        ]
        over += [f"{resource}: has to be named" for resource in hard if resource in _NAMED and resource not in given]
        yield Finding(
            subject=f"quota {name}",
            ok=not over,
            message="; ".join(over) or "has room",
            advice=_QUOTA if over else "",
        )


def _defaults(subject: Subject) -> dict[str, str]:
    """What pods of the namespace get that name nothing, by the quota's names."""
    found: dict[str, str] = {}
    for ranges in subject.api.list(f"/api/v1/namespaces/{subject.namespace}/limitranges"):
        for each in ranges.get("spec", {}).get("limits", []):
            if each.get("type") == "Container":
                found |= {f"limits.{name}": amount for name, amount in each.get("default", {}).items()}
                asked = each.get("defaultRequest") or each.get("default", {})
                found |= {f"{part}{name}": amount for part in ("", "requests.") for name, amount in asked.items()}
    return found


def _passes(used: str, wanted: str, limit: str) -> bool:
    return causes.quantity(used) + causes.quantity(wanted) > causes.quantity(limit)


def _wanted(subject: Subject) -> dict[str, str]:
    """What one run takes of a quota, by the quota's names."""
    found = {"pods": "1", "count/pods": "1", "count/jobs.batch": "1", "count/secrets": "1", "secrets": "1"}
    needs = subject.function.spec.resources
    amounts = parts.resources(needs.requests, needs.limits)
    for part in ("requests", "limits"):
        found.update({f"{part}.{name}": amount for name, amount in amounts.get(part, {}).items()})
    for name, amount in {**amounts.get("limits", {}), **amounts.get("requests", {})}.items():
        found.setdefault(f"requests.{name}", amount)  # which is the limit where only that is named
        found.setdefault(name, amount)
    return found


# The function


def _priority_class(subject: Subject) -> Iterator[Finding]:
    name = subject.function.spec.placement.priority_class
    if name:
        yield _there(subject, "priority class", name, f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}")


def _node_labels(subject: Subject) -> Iterator[Finding]:
    wanted = subject.function.spec.placement.node_selector
    nodes = subject.api.list("/api/v1/nodes")
    ready = [node for node in nodes if causes.is_ready(node) and not node.get("spec", {}).get("unschedulable")]
    fitting = [node for node in ready if wanted.items() <= node["metadata"].get("labels", {}).items()]
    pairs = ", ".join(f"{name}={value}" for name, value in wanted.items())
    of_all = f"{len(fitting)} of {len(nodes)} nodes are ready" + (f" with {pairs}" if pairs else "")
    advice = "" if fitting else "Mend spec.placement.node_selector, or label a node." if pairs else "Start a node."
    yield Finding(subject="nodes", ok=bool(fitting), message=of_all, advice=advice)


def _named_objects(subject: Subject) -> Iterator[Finding]:
    """What the pod refers to by name: a service account, pull secrets, volumes, the cluster's secrets."""
    base, spec = f"/api/v1/namespaces/{subject.namespace}", subject.function.spec
    if spec.placement.service_account:
        name = spec.placement.service_account
        yield _there(subject, "service account", name, f"{base}/serviceaccounts/{name}")
    for name in spec.placement.image_pull_secrets:
        yield _there(subject, "pull secret", name, f"{base}/secrets/{name}")
    kinds = {"pvc": "persistentvolumeclaims", "config_map": "configmaps", "secret": "secrets"}
    for volume in spec.storage.volumes:
        if volume.type in kinds:
            name = volume.source or volume.name
            yield _there(subject, f"volume {volume.name}", name, f"{base}/{kinds[volume.type]}/{name}")
    for variable, reference in spec.environment.secrets.items():
        store, _, place = reference.partition(":")
        if store == parts.STORE:
            yield _secret_key(subject, base, variable, parts.secret_key(variable, place))


def _secret_key(subject: Subject, base: str, variable: str, place: dict[str, str]) -> Finding:
    secret = subject.api.find(f"{base}/secrets/{place['name']}")
    if secret is not None and place["key"] not in (secret.get("data") or {}):
        keys = ", ".join(sorted(secret.get("data") or {})) or "none"
        message = f"the Secret {place['name']!r} has no key {place['key']!r} (it has: {keys})"
        return Finding(subject=f"secret {variable}", ok=False, message=message, advice="Mend the reference.")
    return _there(subject, f"secret {variable}", place["name"], found=secret is not None)


def _there(subject: Subject, what: str, name: str, path: str = "", *, found: bool | None = None) -> Finding:
    there = subject.api.find(path) is not None if found is None else found
    return Finding(
        subject=what,
        ok=there,
        message=f"{name} is there" if there else f"there is no {name!r} in this cluster or namespace",
        advice="" if there else "Create it, or name another.",
    )


def _image(subject: Subject) -> Iterator[Finding]:
    from framework_runtime_job.probing import findings

    yield from findings(subject)


_OF_CLUSTER: Final[tuple[Any, ...]] = (_namespace, _permissions, _quota)
_OF_FUNCTION: Final[tuple[Any, ...]] = (_priority_class, _node_labels, _named_objects, _image)
