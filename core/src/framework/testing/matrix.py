"""The capability matrix: what each registered kind of runtime claims, and so what the suite proves of it.

python -m framework.testing.matrix > docs/reference/capabilities.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from framework.plugins.registrations import RuntimeKind

MEANINGS: Final = {
    "inline": "a function runs in the caller's own process",
    "process": "it shares this machine's files, folders and interpreter",
    "remote": "runs are elsewhere: commands that list runs wait for them for a moment only",
    "detach": "a run goes on when its client has gone",
    "abort": "a run can be asked to end, and is ended if it does not",
    "timeout": "a run is ended at its limit of time",
    "requirements": "requirements are installed when a run starts",
    "limits": "limits of resources are enforced",
    "deploy": "a function is deployed and then invoked",
    "map": "many runs are started in one call",
}
"""What each capability means."""

_HEAD: Final = """# What each kind of runtime can do

Made by `python -m framework.testing.matrix` from what the installed plugins register. `RuntimeSuite` proves what a kind
claims and skips, by name, what it does not. How runs end is proved of every kind.
"""


def matrix(kinds: Iterable[RuntimeKind]) -> str:
    """The page, as Markdown.

    Args:
        kinds: The kinds, in any order.
    """
    ordered = sorted(kinds, key=lambda kind: kind.name)
    rows = [["capability", "meaning", *(f"`{kind.name}`" for kind in ordered)], ["---"] * (2 + len(ordered))]
    for name, meaning in MEANINGS.items():
        rows.append([f"`{name}`", meaning, *("yes" if name in kind.capabilities else "no" for kind in ordered)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    kinds_said = "\n".join(f"- `{kind.name}`: {kind.summary}" for kind in ordered)
    return f"{_HEAD}\n{table}\n\n{kinds_said}\n"


def main() -> None:
    """Print the page for the plugins that are installed."""
    from framework.plugins.manager import Plugins

    sys.stdout.write(matrix(found.item for found in Plugins().runtimes().values()))


if __name__ == "__main__":
    main()
