"""Errors a user can act on; each message names the value given, what was expected, what to do."""


class BuildError(Exception):
    """The build cannot go on; the command line prints the message and exits with 1."""


class UsageError(Exception):
    """The command was called wrongly; the command line prints the message and exits with 2."""


def told(error: BaseException) -> str:
    """The error's words; where DuckDB had too little memory, which of our settings gives it more.

    Its own advice names settings that no user of ours can reach.
    """
    kind = type(error)
    if "duckdb" not in kind.__module__ or kind.__name__ != "OutOfMemoryException":
        return str(error)
    first = str(error).partition("\n")[0]
    if "max_temp_directory_size" in str(error):
        return f"{first}; DuckDB writes what exceeds build.memory_mb below --out: give it more disk"
    return (
        f"{first}; DuckDB had what build.memory_mb allows each worker: raise it, as in "
        "--set build.memory_mb=1536, with fewer --workers where the machine has no more"
    )


class DamagedInput(BuildError):
    """An input file is cut, corrupt or over its decompression budget; names file and offset."""


class TooManyBadLines(BuildError):
    """More lines of a file are malformed than `build.max_bad_lines` allows."""
