"""Where things are in a pod."""

from __future__ import annotations

from typing import Final

BASE: Final = "/framework"
RUNNER: Final = f"{BASE}/runner/runner.pyz"
SUBMISSION: Final = f"{BASE}/submission/submission.json"
ITEMS: Final = f"{BASE}/items"
WORK: Final = f"{BASE}/work"
PARCEL: Final = f"{WORK}/parcel"
TERMINATION: Final = "/dev/termination-log"
