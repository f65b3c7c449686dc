"""More memory for the attempt after one that ran out of it: for the run, never in the version of its function."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from framework_run import quantities

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session
    from framework.models.function import Retry


def raised(session: Session, run: Document, own: dict[str, Any], policy: Retry) -> dict[str, Any]:
    """The resources of a run with more memory.

    Args:
        session: Where its function is kept.
        run: The run's document.
        own: The resources of the run itself so far, merged over its function's.
        policy: By which factor, and to which cap.

    Returns:
        The resources of the run itself from now on; as they were where nothing is said of memory.
    """
    from framework.uris import FunctionUri

    uri = FunctionUri.parse(run["spec"]["function"])
    kept = session.database.function(uri.project, uri.name, version=uri.digest or None)
    usual = kept.get("spec", {}).get("resources", {})
    result = {part: dict(amounts) for part, amounts in own.items()}
    for part in ("requests", "limits"):
        amount = {**usual.get(part, {}), **own.get(part, {})}.get("memory")
        if amount is not None:
            result.setdefault(part, {})["memory"] = _more(amount, policy)
    return result


def _more(amount: object, policy: Retry) -> Any:
    now = quantities.parse(amount)
    wanted = now * Fraction(policy.memory_factor)
    if policy.memory_cap:
        wanted = min(wanted, quantities.parse(policy.memory_cap))
    return amount if wanted <= now else quantities.memory(wanted)
