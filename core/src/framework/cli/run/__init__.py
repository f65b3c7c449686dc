"""``framework run``."""
