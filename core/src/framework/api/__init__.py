"""What scripts and notebooks use; its names are those of `framework`."""
