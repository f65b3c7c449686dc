"""From one database to another: merging, and the portable file between two that do not meet."""
