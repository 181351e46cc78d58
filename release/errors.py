"""What ends a command with one message; the exit code says which kind of end it is."""


class ReleaseError(Exception):
    """Failed, with a message that names the value, what was expected and the remedy."""

    exit_code = 1


class CouldNotLook(ReleaseError):
    """A check could not be made at all, so nothing is known (exit 2)."""

    exit_code = 2


class OthersOnTop(ReleaseError):
    """Our release landed, and somebody else's commit lies on it (exit 3)."""

    exit_code = 3


class StillServed(ReleaseError):
    """A withdrawn byte still has an address that answers (exit 4)."""

    exit_code = 4
