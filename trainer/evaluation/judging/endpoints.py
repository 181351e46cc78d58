"""Who judges: an OpenAI-compatible endpoint, or a local transformers model."""

import json
import os
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RETRIES = 3
WAIT_SECONDS = 1.0
TIMEOUT_SECONDS = 60.0
REPLY_TOKENS = 64
TOKENS_PER_LETTER = 0.3
Messages = list[dict[str, Any]]
Ask = Callable[[Messages], str]


class Outage(RuntimeError):
    """The judge did not answer within its bounded retries."""


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens, in and out."""

    given: float
    written: float

    def of(self, messages: Messages, reply_tokens: int = REPLY_TOKENS) -> float:
        """Estimated dollars of one exchange."""
        letters = sum(len(str(m["content"])) for m in messages)
        return (letters * TOKENS_PER_LETTER * self.given + reply_tokens * self.written) / 1e6


def endpoint(url: str, model: str, key_variable: str) -> Ask:
    """Ask `url` (.../v1); the key is read from an environment variable, never an option.

    Plain HTTP, not the Hub's client: that one refuses every address where the Hub is offline.
    """

    def ask(messages: Messages) -> str:
        last: Exception | None = None
        for attempt in range(RETRIES):
            try:
                return _chat(url, model, os.environ.get(key_variable), messages)
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                last = error
            if attempt + 1 < RETRIES:
                time.sleep(WAIT_SECONDS * 2**attempt)
        raise Outage(f"{url}: no reply after {RETRIES} tries ({type(last).__name__}: {last})")

    return ask


def _chat(url: str, model: str, key: str | None, messages: Messages) -> str:
    body = {"model": model, "messages": messages, "max_tokens": REPLY_TOKENS, "temperature": 0}
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )
    address = f"{url.rstrip('/')}/chat/completions"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        made = json.load(answer)
    return str(made["choices"][0]["message"]["content"] or "")


def local(model: str, revision: str | None) -> Ask:
    """Ask a transformers model on this machine, greedily."""
    from trainer.evaluation.protocols.asking import load

    asker = load(model, revision)

    def ask(messages: Messages) -> str:
        text = "\n\n".join(m["content"] for m in messages)
        return asker.answer(asker.inputs(asker.messages(text, None)), REPLY_TOKENS)

    return ask
