"""Dumps and other inputs -> staged rows, bad lines set apart."""
