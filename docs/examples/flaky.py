"""Fails at its first attempt, and asks for memory."""

import framework as fw


def fetch(fails: int = 1) -> int:
    """Fail for some attempts.

    Args:
        fails: How many.
    """
    attempt = fw.context().attempt
    if attempt <= fails:
        raise ConnectionError(f"attempt {attempt}: the server is busy")
    return attempt


def hold(mebibytes: int = 50) -> int:
    """Hold some memory."""
    return len(bytes(mebibytes << 20)) >> 20
