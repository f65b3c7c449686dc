"""What in a submission is a permission: signed forms and links, which whoever reads them may use until they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from framework.runtimes import Submission

_MASK = "***"


def without(submission: Submission) -> Submission:
    """The submission as it may be shown: with the signatures left out of its store's options and its inputs' links."""
    document = dict(submission.document)
    artifacts = document.get("artifacts") or {}
    storage = artifacts.get("storage") or {}
    options = {name: _signed(value) for name, value in (storage.get("options") or {}).items()}
    if storage:
        document["artifacts"] = {**artifacts, "storage": {**storage, "options": options}}
    inputs = document.get("inputs") or {}
    document["inputs"] = {name: _link(place) for name, place in inputs.items()}
    return attrs.evolve(submission, document=document)


def _signed(value: Any) -> Any:
    """A form's fields: a mapping among the options of a store is what was signed for it."""
    return dict.fromkeys(value, _MASK) if isinstance(value, dict) else value


def _link(place: dict[str, Any]) -> dict[str, Any]:
    url, mark, _ = str(place.get("url", "")).partition("?")
    return {**place, "url": f"{url}?{_MASK}"} if mark else place
