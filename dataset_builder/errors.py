"""Errors a user can act on; each message names the value given, what was expected, what to do."""


class BuildError(Exception):
    """The build cannot go on; the command line prints the message and exits with 1."""


class UsageError(Exception):
    """The command was called wrongly; the command line prints the message and exits with 2."""


class DamagedInput(BuildError):
    """An input file is cut, corrupt or over its decompression budget; names file and offset."""


class TooManyBadLines(BuildError):
    """More lines of a file are malformed than `build.max_bad_lines` allows."""
