"""Scripts for clean child processes. They import nothing of this kit: run by path, with -I."""
