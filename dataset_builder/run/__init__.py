"""Processes: tasks, pools, executors on one machine, Ray or Slurm."""
