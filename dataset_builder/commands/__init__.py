"""The subcommands of `blift`: arguments in, one call of the pipeline, a printed result."""
