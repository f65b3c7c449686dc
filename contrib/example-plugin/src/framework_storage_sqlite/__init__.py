"""Stores artifacts in one SQLite file."""
