"""Addresses -> media files, politely and safely."""
