"""Runs functions on Dask clusters: local, by address, or by the operator."""
