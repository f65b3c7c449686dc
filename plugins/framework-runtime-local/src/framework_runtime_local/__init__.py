"""Runs functions as processes of this machine, or inline in the caller's."""
