"""Two runs: what went in, what surrounded them, what came out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from framework.engine.compare.changes import Change, changed
from framework.engine.compare.versions import version_changes
from framework.engine.packages import package_lines
from framework.errors import NotFound, UriError
from framework_run.numbers import decode

if TYPE_CHECKING:
    from framework.databases import Database, Document
    from framework.engine.session import Session

_REQUEST: Final = (
    "kind",
    "python",
    "handler",
    "command",
    "args",
    "returns",
    "resources",
    "timeouts",
    "retry",
    "artifact_path",
)
_SURROUNDINGS: Final = ("python", "platform", "machine", "host", "accelerators")


def run_changes(session: Session, before: Document, after: Document) -> tuple[list[Change], list[str]]:
    """Everything in which two runs differ.

    Args:
        session: Where they are.
        before: The document of the one.
        after: The document of the other.

    Returns:
        The changes, and what could not be compared, in words.
    """
    given, notes = input_changes(session, before, after)
    return [*given, *outcome_changes(before, after)], notes


def input_changes(session: Session, before: Document, after: Document) -> tuple[list[Change], list[str]]:
    """What goes into two runs and differs: code, spec, packages, environment, parameters, inputs, request."""
    changes, notes = _function_changes(session, before, after)
    more, unknown = _surroundings_changes(session.database, before, after)
    specs = before.get("spec", {}), after.get("spec", {})
    params = [decode(spec.get("params", {})) for spec in specs]
    changes += more
    changes += changed("parameters", params[0], params[1])
    changes += changed("inputs", inputs_of(before), inputs_of(after))
    changes += changed("request", _some(specs[0], _REQUEST), _some(specs[1], _REQUEST))
    return changes, [*notes, *unknown]


def outcome_changes(before: Document, after: Document) -> list[Change]:
    """What comes out of two runs and differs: results, metrics, artifacts, state, cause, duration."""
    changes: list[Change] = []
    statuses = before.get("status", {}), after.get("status", {})
    results = [{**decode(status.get("results", {})), **_artifacts(status)} for status in statuses]
    metrics = [decode(status.get("metrics", {})) for status in statuses]
    changes += changed("results", results[0], results[1])
    changes += changed("metrics", metrics[0], metrics[1])
    changes += changed("outcome", _outcome(statuses[0]), _outcome(statuses[1]))
    return changes


def inputs_of(run: Document) -> dict[str, Any]:
    """What each input holds, by name: its digest; its place where that is not known."""
    spec = run.get("spec", {})
    contents = spec.get("input_contents", {})
    return {name: _content(contents.get(name, {})) or place for name, place in spec.get("inputs", {}).items()}


def package_changes(before: Iterable[str], after: Iterable[str]) -> list[Change]:
    """The packages that two lists do not have alike, by name."""
    return list(changed("packages", _by_name(before), _by_name(after)))


def environment_of(run: Document) -> Document:
    """The facts of the side where a run ran; of an inline run there is one side."""
    facts: Document = run.get("status", {}).get("environment", {})
    return {**facts, **facts.get("run", {})}


def _function_changes(session: Session, before: Document, after: Document) -> tuple[list[Change], list[str]]:
    from framework.uris import FunctionUri

    texts = [run.get("spec", {}).get("function", "") for run in (before, after)]
    if texts[0] == texts[1]:
        return [], []
    found = []
    for text in texts:
        try:
            uri = FunctionUri.parse(text)
            found.append(session.database.function(uri.project, uri.name, version=uri.digest or None))
        except (NotFound, UriError) as error:
            change = Change(section="code", field="function", before=texts[0], after=texts[1])
            return [change], [f"their functions cannot be compared: {error.message}"]
    names = [f"{function['metadata'].get('project', 'default')}/{function['metadata']['name']}" for function in found]
    changes, notes = version_changes(session, *found)
    if names[0] != names[1]:
        changes.insert(0, Change(section="code", field="function", before=names[0], after=names[1]))
    return changes, notes


def _surroundings_changes(database: Database, before: Document, after: Document) -> tuple[list[Change], list[str]]:
    facts = environment_of(before), environment_of(after)
    changes: list[Change] = []
    notes = []
    digests = [fact.get("packages") for fact in facts]
    if digests[0] != digests[1]:
        lists = [package_lines(database, fact) for fact in facts]
        if lists[0] is not None and lists[1] is not None:
            changes += package_changes(lists[0], lists[1])
        else:
            notes.append("the packages cannot be compared: a list of them is not kept")
    changes += changed("environment", _some(facts[0], _SURROUNDINGS), _some(facts[1], _SURROUNDINGS))
    commits = [_some(fact.get("git", {}), ("commit",)) for fact in facts]  # the code itself is compared line by line
    changes += changed("environment", commits[0], commits[1])
    return changes, notes


def _some(mapping: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: mapping[name] for name in names if mapping.get(name) not in (None, "", [], {})}


def _content(content: Mapping[str, Any]) -> str:
    if "digest" in content:
        return str(content["digest"])
    return f"{content.get('size', '?')} bytes of {content['modified']}" if "modified" in content else ""


def _by_name(lines: Iterable[str]) -> dict[str, str]:
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def _artifacts(status: Mapping[str, Any]) -> dict[str, str]:
    return {f"artifact {key}": content.get("digest", "") for key, content in status.get("artifacts", {}).items()}


def _outcome(status: Mapping[str, Any]) -> dict[str, Any]:
    started, ended = status.get("started"), status.get("ended")
    facts = {
        "state": status.get("state", "created"),
        "cause": status.get("cause"),
        "message": status.get("message"),
        "duration": None if started is None or ended is None else ended - started,
        "peak memory": status.get("peak", {}).get("memory"),
    }
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}
