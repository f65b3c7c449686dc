"""The run side: what travels with every run. Standard library only."""
