"""The smallest example: standard library only."""

from __future__ import annotations


def greet(name: str = "world", times: int = 1) -> str:
    """Say hello.

    Args:
        name: Who is greeted.
        times: How often.

    Returns:
        What was said.
    """
    for _ in range(times):
        print(f"Hello, {name}!")
    return f"Hello, {name}!"
