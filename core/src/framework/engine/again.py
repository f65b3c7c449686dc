"""From a recorded run back to the request that made it: what `replay` and a retry in another process stand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from framework.engine.request import RunRequest
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.plan import Planned
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
        command=list(spec.get("args", [])),
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
        python=spec.get("python", ""),
        packages=spec.get("packages", ""),
        replays=spec.get("replays", ""),
        parent=spec.get("parent", ""),
        folder=run.get("status", {}).get("environment", {}).get("folder", ""),
    )


def plan_attempt(session: Session, run: Document, number: int, resources: dict[str, Any]) -> Planned:
    """A plan for a further attempt of a recorded run: the same uid, the same version.

    Its code is used where it lay if it is still the same there, so that what lies beside it is found as well.

    Args:
        session: Where its function and code are kept.
        run: The run's document.
        number: The number of the attempt.
        resources: Requests and limits of this attempt, merged over the function's.

    Raises:
        UsageError: It cannot be planned any more; the error says why.
    """
    from framework.engine.plan import plan

    planned = plan(session, attrs.evolve(request_again(session, run), resources=resources))
    document = planned.submission.document
    begun = {"state": "created", "created": run["status"].get("created"), **_noted(run)}
    document = {
        **document,
        "run": {**document["run"], "uid": run["metadata"]["uid"], "attempt": number},
        "record": {**run, "status": begun},
    }
    folder = _where_it_lay(planned)
    if folder is not None:
        document["code"] = {**document["code"], "folder": str(folder), "archive": None}
    return attrs.evolve(planned, run=run, submission=attrs.evolve(planned.submission, document=document))


def _noted(run: Document) -> dict[str, Any]:
    environment = run["status"].get("environment")
    return {"environment": environment} if environment else {}


def _where_it_lay(planned: Planned) -> Path | None:
    """The folder of the code as it was given, where every file of it is still the same."""
    from framework.engine.plan import main_file
    from framework.sources.loaded import digest

    code = planned.function.spec.code
    if not code.path or not code.files:
        return None
    path, inside = Path(code.path), main_file(planned.function)
    if path.is_file() and inside and str(path).endswith(inside):
        path = Path(str(path).removesuffix(inside))
    try:
        same = all(digest((path / name).read_bytes()) == known for name, known in code.files.items())
    except OSError:
        return None
    return path if same else None
