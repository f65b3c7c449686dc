"""``framework runs``: look at what has run."""
