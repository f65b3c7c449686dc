"""Serialisation of the documents: converters, YAML, canonical JSON, identity, and the encoding of numbers."""
