"""Stores artifacts as files of a folder, named by their content."""
