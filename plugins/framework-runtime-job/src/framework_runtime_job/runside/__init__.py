"""What travels with runs."""
