"""Runs functions as Kubernetes Jobs."""
