"""Predictions and truths to scored cells, one module per family of tasks; no torch."""
