"""Keeps functions, runs, artifacts and events in SQLite or PostgreSQL."""
