"""Measuring a checkpoint: `python -m trainer.evaluation --help`."""
