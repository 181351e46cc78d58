"""Samples -> shards, metadata, manifest and card: the release."""
