"""What each item of a map has of its own, packed into as few Secrets as it takes, and found in the pod by its index.

All pods of an Indexed Job are made alike: each has the submission that the items have in common and the packed rest,
and knows its index. A packet is named by its first index and is gzip of JSON lines, ``{"uid", "params"}`` an item.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from framework.errors import UsageError
from framework.runtimes import Submission
from framework_runtime_job.paths import ITEMS, RUNNER, SUBMISSION, WORK

LARGEST: Final = 500_000
"""Bytes of a packet: base64 makes two thirds of a Secret's 1 MiB of it."""
_MOST: Final = 16  # packets: each pod holds all of them in memory
_LINES: Final = 4_000_000  # bytes of JSON that are packed at once, and unpacked by a pod to find its line

# Run in the pod in the runner's place: it completes the submission and becomes the runner. It is old Python, because
# what is too old is told so by the runner.
PICK: Final = """
import gzip, json, os, sys
runner, common, folder, path = sys.argv[1:]
index = int(os.environ["JOB_COMPLETION_INDEX"])
first = max(n for n in map(int, filter(str.isdigit, os.listdir(folder))) if n <= index)
with gzip.open(os.path.join(folder, str(first)), "rt") as lines:
    own = json.loads(next(line for n, line in enumerate(lines, first) if n == index))
with open(common) as source:
    submission = json.load(source)
submission["run"]["uid"], submission["params"] = own["uid"], own["params"]
with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
    json.dump(submission, sink)
os.execv(sys.executable, [sys.executable, "-s", runner, path])
"""


def command(python: str) -> list[str]:
    """The words that run one item, whichever the pod is."""
    return [python, "-s", "-c", PICK, RUNNER, SUBMISSION, ITEMS, f"{WORK}/submission.json"]


def packets(submissions: Iterable[Submission]) -> dict[int, bytes]:
    """What the items have of their own, by the index of the first in each.

    Raises:
        UsageError: It is more than pods can be given.
    """
    found: dict[int, bytes] = {}
    for first, lines in _cut(submissions):
        found.update(_packed(first, lines))
        if len(found) > _MOST:
            raise UsageError(
                f"the parameters of the items take more than {_MOST * LARGEST:,} bytes, compressed",
                advice="Give what is large as an input, or start the items in several maps.",
            )
    return found


def _cut(submissions: Iterable[Submission]) -> Iterator[tuple[int, list[bytes]]]:
    first, lines, size = 0, list[bytes](), 0
    for index, submission in enumerate(submissions):
        document = submission.document
        own = {"uid": document["run"]["uid"], "params": document["params"]}
        line = json.dumps(own, separators=(",", ":")).encode() + b"\n"
        if lines and size + len(line) > _LINES:
            yield first, lines
            first, lines, size = index, [], 0
        lines.append(line)
        size += len(line)
    yield first, lines


def _packed(first: int, lines: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines as one packet, or as two halves where that is too large."""
    packed = gzip.compress(b"".join(lines), mtime=0)
    if len(packed) <= LARGEST:
        yield first, packed
        return
    if len(lines) == 1:
        raise UsageError(
            f"the parameters of item {first + 1} take {len(packed):,} bytes, compressed, and {LARGEST:,} are the most",
            advice="Give what is large as an input: -i NAME=PATH.",
        )
    half = len(lines) // 2
    yield from _packed(first, lines[:half])
    yield from _packed(first + half, lines[half:])


def secret(name: str, first: int, packed: bytes, labels: dict[str, str]) -> dict[str, Any]:
    """A packet as a Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name_of(name, first), "labels": labels},
        "type": "Opaque",
        "immutable": True,
        "data": {str(first): base64.b64encode(packed).decode()},
    }


def name_of(job: str, first: int) -> str:
    """The name of a packet's Secret."""
    return f"{job}-items-{first}"
