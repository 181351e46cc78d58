"""What an error of a Hub can mean: nothing happened, perhaps it happened, or never try again."""

import enum
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any


class Meaning(enum.Enum):
    """How to go on after an error."""

    UNKNOWN = "the request may have been done"
    STALE = "the head is not what we built on"
    UNSTORED = "a large file is not stored"
    PERMANENT = "no retry helps"


@dataclass(frozen=True)
class Judgement:
    """An error understood: its meaning, seconds the server asks to wait, one line for people."""

    meaning: Meaning
    wait: float | None
    line: str


REFUSED = {
    400: "the Hub refuses the request",
    401: "the Hub does not know this token; log in again (`hf auth login`)",
    403: "this token may not write there",
    404: "there is no such repository, or this token may not see it",
    409: "the Hub says it exists already",
    413: "the request is too large; make fewer or smaller files",
}


def judge(error: BaseException) -> Judgement:
    """What to do after `error`; one that nobody thought of is unknown, and is looked into."""
    line = one_line(error)
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is None:
        fatal = isinstance(error, ValueError | TypeError | AssertionError) and not _is_transport(
            error
        )
        return Judgement(Meaning.PERMANENT if fatal else Meaning.UNKNOWN, None, line)
    code = response.headers.get("X-Error-Code") if response is not None else None
    if status == 412 or (status == 404 and code == "EntryNotFound"):
        return Judgement(Meaning.STALE, None, line)
    if status == 422:
        return Judgement(Meaning.UNSTORED, None, line)
    if status in (408, 425, 429) or status >= 500:
        return Judgement(Meaning.UNKNOWN, _retry_after(response), line)
    return Judgement(Meaning.PERMANENT, None, f"{REFUSED.get(status, 'the Hub refuses')} ({line})")


def _is_transport(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2")


def _retry_after(response: Any) -> float | None:
    """Seconds of a Retry-After header, given as a number or a date; at most five minutes."""
    text = response.headers.get("Retry-After")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), 300.0)


def one_line(error: BaseException) -> str:
    """An error's message on one line, with its kind where it has no words."""
    text = " ".join(str(error).split())
    return text[:400] if text else type(error).__name__
