"""UUIDv7, shared with the run side."""

from framework_run.uid import new_uid

__all__ = ["new_uid"]
