"""A function that needs a secret."""

from __future__ import annotations

import os


def fetch() -> int:
    """Say what it has."""
    token = os.environ["TOKEN"]
    print("with", token)
    return len(token)
