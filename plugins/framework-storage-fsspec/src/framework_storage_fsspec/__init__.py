"""Keeps artifacts in S3 and whatever else fsspec reaches."""
