"""What happens inside one run: steps, checkpoints, measures of held-out posts, the report."""
