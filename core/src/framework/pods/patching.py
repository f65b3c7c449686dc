"""The last resort: a patch over a manifest, as `kubectl patch` takes them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from framework.errors import UsageError

# By what the items of a list are told apart in a strategic merge: x-kubernetes-patch-merge-key of the API's schema.
_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}


def patched(manifest: dict[str, Any], patch: Any) -> dict[str, Any]:
    """A manifest under a patch.

    Args:
        manifest: It is not changed.
        patch: ``spec.options.patch``: a mapping (a strategic merge patch: null deletes, ``$patch: delete`` and
            ``replace`` are known) or a list (a JSON patch, RFC 6902: add, remove, replace, test); None changes
            nothing.

    Raises:
        UsageError: It is neither, or does not fit.
    """
    if patch is None:
        return manifest
    if isinstance(patch, dict):
        return _merged(manifest, patch)
    if isinstance(patch, list):
        result = deepcopy(manifest)
        for number, operation in enumerate(patch):
            _operate(result, operation, number)
        return result
    raise UsageError(
        f"spec.options.patch is {patch!r}, which is no patch",
        advice="Give a mapping (strategic merge) or a list (JSON patch).",
    )


def _merged(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    if patch.get("$patch") == "replace":
        return {name: deepcopy(value) for name, value in patch.items() if name != "$patch"}
    result = deepcopy(before)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            found = result.get(name)
            result[name] = _merged(found if isinstance(found, dict) else {}, value)
        elif isinstance(value, list) and name in _KEYS and all(isinstance(item, dict) for item in value):
            result[name] = _list(result.get(name) or [], value, _KEYS[name])
        else:
            result[name] = deepcopy(value)
    return result


def _list(before: list[dict[str, Any]], patch: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Items of the same key are merged in their places; new ones go behind."""
    result = list(before)
    for item in patch:
        at = next((number for number, each in enumerate(result) if each.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            result = [each for each in result if each.get(key) != item.get(key)]
        elif at is None:
            result.append(_merged({}, item))
        else:
            result[at] = _merged(result[at], item)
    return result


def _operate(document: Any, operation: Any, number: int) -> None:
    where = f"spec.options.patch[{number}]"
    try:
        kind, path = operation["op"], [_word(part) for part in operation["path"].split("/")[1:]]
        parent = document
        for part in path[:-1]:
            parent = parent[int(part)] if isinstance(parent, list) else parent[part]
        _apply(parent, path[-1], kind, operation)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        said = f"{operation}: {type(error).__name__} {error}"
        advice = "Leave the patch out and look at what it is for: --dry-run."
        raise UsageError(f"{where} does not fit: {said}", advice=advice) from None


def _apply(parent: Any, last: str, kind: str, operation: dict[str, Any]) -> None:
    if isinstance(parent, list):
        at = len(parent) if last == "-" else int(last)
        if kind == "add":
            parent.insert(at, deepcopy(operation["value"]))
            return
    else:
        at = last  # type: ignore[assignment]
        if kind == "add":
            parent[at] = deepcopy(operation["value"])
            return
    if kind == "remove":
        del parent[at]
    elif kind == "replace":
        parent[at]  # what is not there cannot be replaced
        parent[at] = deepcopy(operation["value"])
    elif kind == "test":
        if parent[at] != operation["value"]:
            raise ValueError(f"it is {parent[at]!r}")
    else:
        raise ValueError(f"there is no operation {kind!r}: add, remove, replace and test are known")


def _word(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")  # RFC 6901, section 4
