"""Turn a Python function into a versioned, tracked Function that runs anywhere."""
