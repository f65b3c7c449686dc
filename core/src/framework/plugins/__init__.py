"""Plugins: what they may register, and the manager that finds them."""
