"""The smallest example: standard library only."""

from __future__ import annotations


def greet(who: str = "world", times: int = 1) -> str:
    """Say hello.

    Args:
        who: Who is greeted.
        times: How often.

    Returns:
        What was said.
    """
    for _ in range(times):
        print(f"Hello, {who}!")
    return f"Hello, {who}!"
