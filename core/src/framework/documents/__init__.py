"""Serialisation of documents: it lives outside of the models."""
