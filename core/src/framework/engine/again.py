"""From a recorded run back to the request that made it: what `replay` and a retry in another process stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.engine.request import RunRequest
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session


def request_again(session: Session, run: Document) -> RunRequest:
    """The request of a recorded run, rebuilt from its document alone.

    Its function is the version that ran, which no defaults of its project are merged under any more. Relative paths
    are meant from the folder where it was asked for.

    Args:
        session: Where its function is kept.
        run: The run's document.

    Raises:
        UsageError: It was opened by another run's handler and has no function of its own.
        NotFound: Its function is not kept.
    """
    from framework.uris import FunctionUri
    from framework_run.numbers import decode

    metadata, spec = run["metadata"], run.get("spec", {})
    if not spec.get("function"):
        parent = spec.get("parent")
        raise UsageError(
            f"the run {metadata['uid']} has no function of its own{', it was opened by another run' if parent else ''}",
            advice=f"Take that one: {parent}" if parent else "",
        )
    uri = FunctionUri.parse(spec["function"])
    session.database.function(uri.project, uri.name, version=uri.digest or None)
    return RunRequest(
        target=spec["function"],
        params=decode(spec.get("params", {})),
        raw=list(spec.get("raw", [])),
        inputs=dict(spec.get("inputs", {})),
        returns=list(spec.get("returns", [])),
        name=metadata["name"],
        project=metadata.get("project", ""),
        labels=dict(metadata.get("labels", {})),
        kind=spec.get("kind", ""),
        timeouts=dict(spec.get("timeouts", {})),
        resources=dict(spec.get("resources", {})),
        retry=dict(spec.get("retry", {})),
        artifact_path=spec.get("artifact_path", ""),
        parent=spec.get("parent", ""),
        folder=run.get("status", {}).get("environment", {}).get("folder", ""),
    )
