"""Amounts of resources in Kubernetes quantities: "500m", "2Gi", 1, 0.5, "1e3".

The grammar is that of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/: a decimal
number and at most one suffix, of powers of ten (m, none, k, M, G, T, P, E), of powers of two (Ki, Mi, Gi, Ti, Pi, Ei),
or an exponent (e3, E3).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_NUMBER: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?")
_TEN: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_TWO: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(quantity: object) -> Fraction:
    """The amount that a quantity stands for: bytes, cores, pieces.

    Args:
        quantity: A text or a number.

    Raises:
        ValueError: It is no quantity; the message has it.
    """
    plain = isinstance(quantity, (str, int, float)) and not isinstance(quantity, bool)
    found = _NUMBER.fullmatch(str(quantity).strip()) if plain else None
    if not found:
        raise ValueError(f"{quantity!r} is no quantity, such as 500m or 2Gi")
    number, exponent, suffix = found.groups()
    if suffix in _TWO:
        return Fraction(number) * (1 << _TWO[suffix])
    power = int(exponent) if exponent else _TEN.get(suffix, 0)
    return Fraction(number) * (Fraction(10**power) if power >= 0 else Fraction(1, 10**-power))


def memory(count: float | Fraction) -> str:
    """A number of bytes as a quantity, rounded up to whole mebibytes: ``1536Mi``, ``2Gi``."""
    mebibytes = -(-Fraction(count) // 2**20)
    gibibytes, rest = divmod(mebibytes, 1024)
    return f"{mebibytes}Mi" if rest else f"{gibibytes}Gi"
