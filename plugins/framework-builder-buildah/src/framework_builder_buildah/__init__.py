"""Builds images of functions with buildah."""
