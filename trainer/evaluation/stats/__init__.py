"""Intervals, paired tests and corrections, all over clusters."""
