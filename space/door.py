"""What stands in front of gradio: bodies that make sense, a fair share each, nobody absent waits.

An ASGI middleware. gradio reads request bodies of any shape and prints a traceback for most wrong
ones, opens its queue to whoever posts, and answers entries that nobody listens to. Here a body is
checked first, one client holds a few entries at most, and what nobody listens to is taken out.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from gradio import Blocks
from gradio.utils import get_upload_folder

MAX_BODY = 64 * 1024
PER_CLIENT = 4
# seconds that an entry may stand in the queue with nobody listening
GRACE = 5.0
JOIN = re.compile(r"/gradio_api/(?:queue/join|call/(?:v2/)?[^/]+)/?$")
LISTEN = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/([^/]+)$")
ATTRIBUTES = {"path", "url", "orig_name", "size", "mime_type", "is_stream", "meta"}


class Turned(ValueError):
    """A request that goes no further: (status, message)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Door:
    """The middleware. app: the next ASGI application; page: whose queue is watched."""

    def __init__(self, app: Any, page: Blocks) -> None:
        self.app, self.page = app, page
        self.listening: Counter[str] = Counter()
        self.alone: dict[str, float] = {}
        self.sweeper: asyncio.Task[None] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.sweeper is None:
            self.sweeper = asyncio.create_task(self.sweep())
        path = scope["path"]
        if "\0" in path:  # gradio answers with a traceback
            await reply(send, 400, "The address holds a zero byte.")
            return
        if scope["method"] == "POST" and JOIN.search(path):
            try:
                body = await whole(receive)
                self.check(path, body)
                self.admit(client_of(scope))
            except Turned as turned:
                await reply(send, turned.status, str(turned))
                return
            receive = again(body, receive)
        session = listened(path, scope["query_string"].decode("latin-1"))
        if scope["method"] != "GET" or not session:
            await self.app(scope, receive, send)
            return
        self.listening[session] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.listening[session] -= 1
            self.listening += Counter()  # forget those at zero

    def admit(self, client: str) -> None:
        """Raises Turned for a client that has its share of the queue already."""
        queue = self.page._queue
        running = [job for jobs in queue.active_jobs for job in jobs or ()]
        waiting = [
            job for line in queue.event_queue_per_concurrency_id.values() for job in line.queue
        ]
        mine = sum(client_of(job.request.scope) == client for job in (*running, *waiting))
        if mine >= PER_CLIENT:
            raise Turned(429, f"You have {mine} requests here already: wait for one to end.")

    def check(self, path: str, body: bytes) -> None:
        """Raises Turned for what no page and no client sends: no JSON, no list of values of the
        kinds that the endpoint takes, a file that was not uploaded here."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise Turned(400, "The request is not JSON.") from None
        if not isinstance(told, dict):
            raise Turned(400, "The request must be a JSON object.")
        # version 2 gives arguments by name
        values: Any = list(told.values()) if "/call/v2/" in path else told.get("data")
        if not isinstance(values, list) or len(values) > 32:
            raise Turned(400, "`data` must be a list of the endpoint's arguments.")
        for value in values:
            check_value(value)
        kinds = self.kinds(path, told)
        if "/call/v2/" in path or kinds is None:
            return
        if len(values) != len(kinds):
            raise Turned(400, f"The endpoint takes {len(kinds)} arguments, not {len(values)}.")
        for value, kind in zip(values, kinds, strict=False):
            plain = value is None or isinstance(value, str | int | float)
            if kind == "file" and not (value is None or isinstance(value, dict)):
                raise Turned(400, "A file must be uploaded first, and given as its path.")
            if kind in ("textbox", "dropdown") and not (value is None or isinstance(value, str)):
                raise Turned(400, "Texts and names must be strings.")
            if kind in ("number", "slider") and (not plain or isinstance(value, str | bool)):
                raise Turned(400, "Numbers must be numbers.")

    def kinds(self, path: str, told: dict[str, Any]) -> list[str] | None:
        """Kinds of the components that an endpoint reads; None where there is no such endpoint."""
        name = path.rstrip("/").rpartition("/")[2]
        for number, function in self.page.fns.items():
            if number == told.get("fn_index") if name == "join" else function.api_name == name:
                inputs = [block.get_block_name() for block in function.inputs]
                return inputs if name == "join" else [kind for kind in inputs if kind != "state"]
        return None

    async def sweep(self) -> None:
        """Every second, take out of the queue, and stop, what nobody has listened to for GRACE."""
        while True:
            await asyncio.sleep(1)
            queue, now, here = self.page._queue, time.monotonic(), set()
            lines = list(queue.event_queue_per_concurrency_id.values())
            jobs = [job for group in queue.active_jobs for job in group or ()]
            for job in [*jobs, *(job for line in lines for job in line.queue)]:
                if self.listening[job.session_hash] > 0:
                    continue
                here.add(job._id)
                if now - self.alone.setdefault(job._id, now) > GRACE:
                    await queue.clean_events(event_id=job._id)
            self.alone = {name: since for name, since in self.alone.items() if name in here}


def client_of(scope: Any) -> str:
    """Who asks: the peer; on a Space, whose proxy is the peer of all, whom the proxy names last."""
    if os.environ.get("SPACE_ID"):
        headers = dict(scope.get("headers", ()))
        named = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        if named:
            return named.split(",")[0].strip()
    return str((scope.get("client") or ("",))[0])


def listened(path: str, query: str) -> str:
    """The session whose events a request listens to, "" for any other request."""
    if path.endswith("/gradio_api/queue/data"):
        found = re.search(r"(?:^|&)session_hash=([^&]+)", query)
        return found[1] if found else ""
    called = LISTEN.search(path)
    return called[1] if called else ""


async def whole(receive: Any) -> bytes:
    """The request's body. Raises Turned beyond MAX_BODY."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise Turned(413, f"The request has more than {MAX_BODY // 1024} KB.")
        if not message.get("more_body"):
            return body


def again(body: bytes, receive: Any) -> Any:
    """A `receive` that gives the body that was read before, then what comes."""
    given = False

    async def once() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def check_value(value: Any) -> None:
    """Raises Turned for a value that is neither plain nor a file that was uploaded here."""
    if isinstance(value, list):
        for item in value:
            check_value(item)
        return
    if not isinstance(value, dict):
        return
    path, meta = value.get("path"), value.get("meta")
    kind = meta.get("_type") if isinstance(meta, dict) else None
    if kind is None and "path" not in value:
        return
    if not isinstance(path, str) or "://" in path or "\0" in path or set(value) - ATTRIBUTES:
        raise Turned(400, "A file must be uploaded first; addresses are not opened.")
    if not Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
        raise Turned(403, "This is not a file that was uploaded here.")


async def reply(send: Any, status: int, message: str) -> None:
    """Answer with a status and a message as JSON, as gradio words its own."""
    body = json.dumps({"detail": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
