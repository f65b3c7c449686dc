"""Stores artifacts by content in a folder."""
