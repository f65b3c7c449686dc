"""Names and labels of what a run has at the cluster, within the cluster's limits."""

from __future__ import annotations

import re
from typing import Any, Final

MANAGED: Final = "app.kubernetes.io/managed-by"
RUN: Final = "framework/run"
ATTEMPT: Final = "framework/attempt"
PROJECT: Final = "framework/project"
FUNCTION: Final = "framework/function"
HELD: Final = "framework/runner"
"""Labels; everything that is made has `MANAGED`, what belongs to one run `RUN`, what is shared `HELD`."""

USED: Final = "framework/used"
"""The annotation of what is shared: when it was last used, to within an hour."""

PREFLIGHT: Final = "framework-preflight-"
"""How the names of pods begin that only look."""

INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""The cluster's own label of a pod of an Indexed Job: which one it is, from 0."""

CONTAINER: Final = "run"
_LONGEST_NAME: Final = 30  # characters of the run's name in the Job's; a pod's name has 63 in all
_LONGEST_LABEL: Final = 63


def job_name(run: dict[str, Any]) -> str:
    """The name of an attempt's Job: ``train-0a1b2c3d4e5f6a7b``, and ``…-2`` of the second attempt.

    Args:
        run: The ``run`` part of a submission.
    """
    words = re.sub(r"[^a-z0-9]+", "-", str(run["name"]).lower())[:_LONGEST_NAME].strip("-")
    if not words or not words[0].isalpha():
        words = f"run-{words}".rstrip("-")
    unique = str(run["uid"]).replace("-", "")[-16:]  # the random part of a UUIDv7
    attempt = int(run.get("attempt", 1))
    return f"{words}-{unique}" + (f"-{attempt}" if attempt > 1 else "")


def label(text: str) -> str:
    """A text as the value of a label, what it cannot have left out."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST_LABEL].strip("-._")


def labels_of(document: dict[str, Any]) -> dict[str, str]:
    """The labels of everything that belongs to one attempt.

    Args:
        document: The submission.
    """
    run = document["run"]
    return {
        MANAGED: "framework",
        RUN: str(run["uid"]),
        ATTEMPT: str(run.get("attempt", 1)),
        PROJECT: label(str(run.get("project", "default"))),
        FUNCTION: label(str(document["function"]["name"])),
    }
