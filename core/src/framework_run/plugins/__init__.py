"""Where the run sides of plugins are mounted in the archive."""
