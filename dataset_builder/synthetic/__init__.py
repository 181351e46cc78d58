"""Dumps with planted victims for every rule."""
