"""UUIDv7 (RFC 9562, section 5.7): sorts by time, and within a process by order of making."""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = 0


def new_uid() -> str:
    """A new UUIDv7 as text; later ones of a process are greater, whatever the clock does."""
    global _last  # noqa: PLW0603  the process's one clock
    # 48 bits of milliseconds and 12 bits of the fraction of one (RFC 9562, section 6.2, method 3).
    moment = time.time_ns() * 4096 // 1_000_000
    with _lock:
        _last = moment = moment if moment > _last else _last + 1
    high = (moment >> 12 << 16) | 0x7000 | (moment & 0xFFF)
    # Fresh from the kernel each time: a fork inherits no state of a generator.
    low = (int.from_bytes(os.urandom(8), "big") & (2**62 - 1)) | (1 << 63)
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _renew_lock() -> None:
    """A fork may copy the lock while another thread holds it, and that thread is not in the child."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
