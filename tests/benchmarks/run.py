"""Runs the benchmarks and prints one table: ``python tests/benchmarks/run.py [NAME…]``.

Each ``bench_NAME.py`` beside this file is a script of its own. Ends with 1 when a script fails or a budget is not kept.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from harness import HEADING

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the named scripts, or all, and return the exit status."""
    scripts = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = sorted(set(names) - set(scripts))
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(scripts)}", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print(HEADING, flush=True)
    failed = False
    for name in names or scripts:
        ended = subprocess.run([sys.executable, scripts[name]], stdout=subprocess.PIPE, text=True, check=False)
        print(ended.stdout, end="", flush=True)
        if ended.returncode:
            print(f"{name} ended with {ended.returncode}", file=sys.stderr)
        failed |= ended.returncode != 0 or "**no**" in ended.stdout
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
