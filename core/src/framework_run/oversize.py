"""What is said of an event that is too large for a frame's message. Imported when there is one."""

from __future__ import annotations

import json
from typing import Any

from framework_run.errors import PackingError


def too_large(event: dict[str, Any], size: int, limit: int) -> Exception:
    """The error of an event that cannot be sent: of results, by the name of the largest, with the mend.

    Args:
        event: The event.
        size: Bytes that it has.
        limit: Bytes that it may have.
    """
    said = f"a {event.get('kind', '')} event of {size:,} bytes is too large ({limit:,} at most)"
    data = event.get("data")
    values = data.get("values") if event.get("kind") == "result" and isinstance(data, dict) else None
    if not values:
        return ValueError(said)
    key = max(values, key=lambda each: len(json.dumps(values[each])))
    format_ = "text" if isinstance(values[key], str) else "json"
    advice = f"Keep it as an artifact, as in returns=['{key}:{format_}'], or by context.log_artifact."
    return PackingError(f"result {key!r}: {said}", advice=advice)
