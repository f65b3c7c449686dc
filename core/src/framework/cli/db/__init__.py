"""The commands ``framework db …``."""
