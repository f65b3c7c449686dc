"""A client in a process of its own, for tests that kill it.

python -m framework.testing.client KIND HOME SUBMISSION.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(kind: str, home: str, path: str) -> None:
    """Submit, print the handle, and follow to the end."""
    from framework.engine.defaults import under
    from framework.models import Function
    from framework.plugins.manager import Plugins
    from framework.runtimes import RuntimeContext, Submission
    from framework.settings import runtime_table

    context = RuntimeContext(home=home, settings=runtime_table(kind, Path(home)))
    runtime = Plugins().runtime(kind, context)
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    handle = runtime.submit(Submission(document=document, function=under(runtime.defaults, Function(kind=kind))))
    sys.stdout.write(json.dumps(handle) + "\n")
    sys.stdout.flush()
    for _ in runtime.follow(handle, {}):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
