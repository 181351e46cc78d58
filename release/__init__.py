"""Staging of what is published: one folder per Hub repository, checked before it leaves."""
