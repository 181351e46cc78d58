"""Annotators: small classes with a name and a version, each filling one field of a sample."""
