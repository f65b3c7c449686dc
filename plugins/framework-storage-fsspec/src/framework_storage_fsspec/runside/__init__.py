"""What travels with a run: standard library only, relative imports only."""
