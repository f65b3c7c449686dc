"""Forwards a port to a scheduler for a handler on this machine, for as long as its standard input is open.

python -m framework_runtime_dask.forward HOME PLACE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from framework.errors import FrameworkError
from framework_runtime_dask.provider import Place
from framework_runtime_dask.providers import provider


def main(home: str, place: str) -> int:
    """Print the address, and wait.

    Args:
        home: FRAMEWORK_HOME.
        place: The cluster, as JSON.

    Returns:
        The exit status.
    """
    where = Place(**json.loads(place))
    try:
        print(provider(where.provider, Path(home)).reach(where), flush=True)  # noqa: T201  it is for whoever has started it
    except FrameworkError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        return 1
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
