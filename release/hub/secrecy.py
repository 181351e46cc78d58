"""The token never appears in output: everything printed goes through here."""

import os

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
SHORTEST = 8


def redact(text: str) -> str:
    """The text without any token this process could know."""
    for token in known_tokens():
        text = text.replace(token, "[token]")
    return text


def known_tokens() -> list[str]:
    """Tokens of environment and token file, longest first."""
    found = {os.environ.get(name, "").strip() for name in VARIABLES}
    try:
        from huggingface_hub import get_token

        found.add(get_token() or "")
    except Exception:  # an unreadable token file is no reason to fail while printing
        pass
    return sorted((t for t in found if len(t) >= SHORTEST), key=len, reverse=True)
