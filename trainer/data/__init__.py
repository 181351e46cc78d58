"""Rows of data sets -> the batches of a run."""
