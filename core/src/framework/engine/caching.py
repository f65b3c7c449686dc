"""Caching: a run that was completed is reused for one that asks for the same.

The same is: the function with its version, the parameters, what the inputs hold, the names of what is returned, and the
environment (packages, Python's minor version, platform) of the side that asks. Off unless the function or the call asks
for it; a run that failed is never reused, and neither is one that was itself reused: what is found is the run that ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.request import RunRequest
    from framework.models import Function

_HERE_ONLY = "inline"  # the module of a function that cannot be sent: a closure, a lambda, a bound method


def policy(cache: bool | Mapping[str, Any]) -> dict[str, Any]:
    """A policy as people give it: whether, or ``{"ttl": seconds}``.

    Raises:
        DocumentError: It is none of these.
    """
    if isinstance(cache, bool):
        return {"enabled": cache}
    from framework.documents.converters import structure
    from framework.models.function import Cache

    found = structure({"enabled": True, **cache}, Cache, source="cache", at="$.cache")
    return {"enabled": found.enabled, **({} if found.ttl is None else {"ttl": found.ttl})}


def is_on(request: RunRequest, function: Function) -> bool:
    """Whether a run may reuse another."""
    return bool(request.cache.get("enabled", function.spec.cache.enabled))


def note_key(run: Document, request: RunRequest, function: Function) -> None:
    """Note in a run's document by which key it can be reused, where caching is on."""
    if not is_on(request, function) or request.pdb:
        return
    from framework.documents.canonical import digest

    spec, facts = run["spec"], run["status"]["environment"]
    contents = spec.get("input_contents", {})
    if not all(contents.get(name) for name in spec.get("inputs", {})):
        return  # an input that cannot be read: the run says so itself
    if miss := _unknown(function):
        spec["cache"] = {"miss": miss}
        return
    parts = {
        "version": function.status.version,
        "params": spec["params"],
        "raw": spec.get("raw", []),
        "args": spec.get("args", []),
        "inputs": contents,
        "returns": spec.get("returns", []),
        "packages": facts["packages"],
        "python": facts["python"].rpartition(".")[0],
        "platform": [facts["platform"], facts["machine"]],
    }
    if function.spec.environment.env_from_file:
        parts["env"] = _variables(Path(request.folder) / function.spec.environment.env_from_file)
    spec["cache"] = {"key": digest(parts)}


def _variables(path: Path) -> str:
    """The text of a file of variables, of which the version has the path alone; what is wrong with it is said later."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _unknown(function: Function) -> str:
    """What of a function its version does not hold, so that no run of it can be said to be the same; usually empty."""
    code = function.spec.code
    if code.module == _HERE_ONLY:
        return "what the function uses of the code around it is not in its version"
    if code.command and not code.files:
        return "what the command runs is not in its version"
    return ""
