"""Fuzzing by hand: ``python tests/fuzz/run.py [TRIES]``, 100,000 unless told; ends with 1 where something was found."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import targets
import world


def main(tries: int) -> int:
    """Try every target, each with its share of the tries."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        world.make(Path(folder))
        for name, target in targets.TARGETS.items():
            began, wanted = time.monotonic(), max(1, round(tries * target.share))
            try:
                said = f"{targets.tried(target, wanted):,} tries, well"
            except Exception:  # noqa: BLE001  whatever it is, it is what was looked for
                failed += 1
                said = traceback.format_exc(limit=-8)
            print(f"{name:<34} {time.monotonic() - began:6.1f} s  {said}", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
