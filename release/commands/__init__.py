"""The command line: one module per command, each turning words into one call."""
