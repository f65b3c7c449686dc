"""The encoding of numbers that JSON cannot carry, shared with the run side."""

from framework_run.numbers import MAX_SAFE, decode, encode

__all__ = ["MAX_SAFE", "decode", "encode"]
