"""What travels with a run: standard library, `framework_run` and relative imports only."""
