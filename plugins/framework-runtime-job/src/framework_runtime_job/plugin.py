"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations
