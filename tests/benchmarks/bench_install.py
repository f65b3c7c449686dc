"""How much is installed: the core and the batteries for local use, in a fresh environment."""

from __future__ import annotations

import subprocess
import time
import venv
from pathlib import Path

from harness import clean_room, row

DISTRIBUTIONS = 12
MEGABYTES = 15
ROOT = Path(__file__).parents[2]
LIST = "import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})"
SEEDED = ("pip", "setuptools", "pkg_resources", "_distutils_hack")


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        python = folder / "venv/bin/python"
        started = time.perf_counter()
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", ROOT], check=True)
        taken = time.perf_counter() - started
        names = subprocess.run([python, "-c", LIST], capture_output=True, text=True, check=True).stdout.split()
        third_party = [name for name in names if not name.startswith(("framework", *SEEDED))]
        packages = next((folder / "venv/lib").glob("python*/site-packages"))
        sizes = {
            path: path.stat().st_size
            for path in packages.rglob("*")
            if path.is_file()
            and "__pycache__" not in path.parts
            and not path.relative_to(packages).parts[0].startswith(SEEDED)
        }
        total = sum(sizes.values()) / 2**20
        ours = sum(size for path, size in sizes.items() if path.relative_to(packages).parts[0].startswith("framework"))
    row(
        "third-party distributions that `pip install .` brings",
        f"≤ {DISTRIBUTIONS}",
        measured=str(len(third_party)),
        baseline=f"installed in {taken:.0f} s",
        ratio=len(third_party) / DISTRIBUTIONS,
        kept=len(third_party) <= DISTRIBUTIONS,
    )
    row(
        "size of what `pip install .` brings",
        f"≤ {MEGABYTES} MB",
        measured=f"{total:.1f} MB",
        baseline=f"{ours / 2**20:.1f} MB of it ours",
        ratio=total / MEGABYTES,
        kept=total <= MEGABYTES,
    )


if __name__ == "__main__":
    main()
