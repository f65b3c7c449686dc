"""The environment of a run, as its page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from framework.cli.text import one_line, size, value

_LONG: Final = 100  # characters of a value
_COMMIT: Final = 12  # digits of a commit


def environment_rows(facts: Mapping[str, Any], uid: str) -> list[tuple[str, str]]:
    """Names and texts: what the submitting side was, and how the run's own side differed from it.

    Args:
        facts: ``status.environment``, decoded.
        uid: The run.
    """
    rows = []
    for key, fact in facts.items():
        if key == "git":
            rows += _checkout(fact, uid)
        elif key == "run":
            others = {name: there for name, there in fact.items() if facts.get(name) != there}
            rows += [(f"its {name}", _shown(name, there)) for name, there in others.items()]
        elif fact not in (None, "", [], {}):
            rows.append((key, _shown(key, fact)))
    return rows


def _shown(name: str, fact: Any) -> str:
    if name == "command":
        return value(" ".join(map(str, fact)), _LONG)
    if name in {"packages", "accelerators"} and isinstance(fact, list):
        return value(", ".join(map(str, fact)), _LONG)
    if name == "packages":
        return value(str(fact).removeprefix("sha256:")[:_COMMIT])
    return value(fact, _LONG)


def _checkout(git: Mapping[str, Any], uid: str) -> list[tuple[str, str]]:
    words = [git.get("commit", "")[:_COMMIT] or "no commit"]
    if git.get("branch"):
        words.append(f"on {git['branch']}")
    if git.get("patch"):
        words.append(f"with changes ({size(git.get('patch_size'))}: framework runs patch {uid})")
    elif git.get("dirty"):
        words.append("with changes that are not kept")
    rows = [("git", one_line(" ".join(words)))]
    if git.get("left_out"):
        rows.append(("not in the patch", value(", ".join(git["left_out"]), _LONG)))
    if git.get("masked"):
        rows.append(("masked", f"{git['masked']} secret{'s' if git['masked'] != 1 else ''} in the patch"))
    if git.get("failed"):
        rows.append(("git failed", one_line(git["failed"])))
    return rows
