"""Conversation text to token ids, so that what a user writes is always text.

The chat template is rendered with every text replaced by a sealed stand-in. Special tokens and
placeholders found in the rendering are therefore the template's own; everything between two of them
is encoded as one piece of plain text, which is also how the reference tokenises (per chunk).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

ROLES = ("system", "user", "assistant")
MEDIA = ("image", "video")
_SEAL = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True)
class Piece:
    """A run of plain text, one special token, or one media placeholder (`kind`), in order.

    answer: character spans [start, end) of `text` that are the assistant's. frame: a placeholder
    for this frame alone, of a video whose frames stand between its subtitles.
    """

    kind: str
    text: str
    answer: tuple[tuple[int, int], ...] = ()
    frame: int | None = None


@dataclass(frozen=True)
class MediaBlock:
    """A media placeholder of a conversation: its kind, its content block, its user turn's text."""

    kind: str
    block: dict[str, Any]
    turn_text: str


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's content as a list of blocks (a plain string is one text block)."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = [{"type": "text", "text": b} if isinstance(b, str) else b for b in content or []]
    for block in blocks:
        if not isinstance(block, dict) or block.get("type") not in ("text", *MEDIA, "image_url"):
            raise ValueError(
                f"content block {block!r} is not understood: expected a dict with type 'text', "
                "'image' or 'video'"
            )
    return [_plain_block(block) for block in blocks]


def _plain_block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "image_url":
        url = block.get("image_url")
        return {"type": "image", "url": url.get("url") if isinstance(url, dict) else url}
    if block["type"] == "text" and not isinstance(block.get("text"), str):
        raise ValueError(f"text block holds {block.get('text')!r}: expected a string")
    return block


def checked_conversation(conversation: Sequence[Any]) -> list[dict[str, Any]]:
    """Messages as {"role", "content": [blocks]}; raises ValueError for an unknown role."""
    messages = []
    given = getattr(conversation, "messages", conversation)
    if not isinstance(given, (list, tuple)) or not all(isinstance(m, Mapping) for m in given):
        raise ValueError(
            f"a conversation is {str(given)[:80]!r}: expected a list of messages "
            "{'role': …, 'content': …}, or a list of such lists"
        )
    for message in given:
        if message.get("role") not in ROLES:
            raise ValueError(
                f"message role is {message.get('role')!r}: expected one of {ROLES}; the role is "
                "markup of the chat template and cannot be free text"
            )
        messages.append({"role": message["role"], "content": blocks_of(message)})
    if not messages:
        raise ValueError("the conversation is empty: expected at least one message")
    return messages


def conversation_list(conversation: Any) -> tuple[bool, list[list[dict[str, Any]]]]:
    """Whether a batch was given, and its checked conversations (a single one as a list)."""
    batched = isinstance(conversation, (list, tuple)) and not any(
        isinstance(item, Mapping) for item in conversation
    )
    given = conversation if batched else [conversation]
    if not given:
        raise ValueError("the batch holds 0 conversations: expected at least one")
    return batched, [checked_conversation(item) for item in given]


def text_list(text: Any) -> list[str]:
    """A string, or a list of strings, as a list; ValueError for anything else."""
    texts = [text] if isinstance(text, str) else text
    if (
        not isinstance(texts, (list, tuple))
        or not texts
        or not all(isinstance(t, str) for t in texts)
    ):
        raise ValueError(f"text is {text!r}: expected a string or a list of strings")
    return list(texts)


def media_blocks(messages: Sequence[dict[str, Any]]) -> list[MediaBlock]:
    """Media placeholders in reading order, each with the text of the user turn it stands in."""
    found = []
    for message in messages:
        turn_text = "".join(b["text"] for b in message["content"] if b["type"] == "text")
        for block in message["content"]:
            if block["type"] not in MEDIA:
                continue
            if message["role"] != "user":
                raise ValueError(
                    f"a {block['type']} stands in a {message['role']} message: media belong to "
                    "user messages"
                )
            found.append(MediaBlock(block["type"], block, turn_text))
    return found


def _sealed(messages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    texts: list[str] = []
    sealed = []
    for message in messages:
        content = []
        for block in message["content"]:
            if block["type"] == "text":
                content.append({"type": "text", "text": f"\ue000{len(texts)}\ue001"})
                texts.append(block["text"])
            else:
                content.append({"type": block["type"]})
        sealed.append({"role": message["role"], "content": content})
    return sealed, texts


@dataclass
class Template:
    """A chat template with the tokenizer whose special tokens it may write."""

    source: str
    tokenizer: Any
    image_token: str
    video_token: str

    def pieces(
        self,
        messages: Sequence[dict[str, Any]],
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        with_answers: bool = False,
        **variables: Any,
    ) -> list[Piece]:
        """The conversation as pieces; with_answers needs `{% generation %}` in the template."""
        sealed, texts = _sealed(messages)
        rendered, spans = render_jinja_template(
            [sealed],
            chat_template=self.source,
            return_assistant_tokens_mask=with_answers,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            **{**self.tokenizer.special_tokens_map, **variables},
        )
        answers = spans[0] if with_answers else []
        if with_answers and not answers and any(m["role"] == "assistant" for m in messages):
            raise ValueError(
                "the assistant tokens mask was asked for but the chat template marks no answer: "
                "put {% generation %} … {% endgeneration %} around the assistant's text"
            )
        return self._cut(rendered[0], texts, answers)

    def render(self, messages: Sequence[dict[str, Any]], **options: Any) -> str:
        """The conversation as one string, for reading."""
        return "".join(piece.text for piece in self.pieces(messages, **options))

    def raw_pieces(self, text: str) -> list[Piece]:
        """Pieces of an already templated string: its special tokens and placeholders are real."""
        return self._cut(text, [], [])

    def _cut(self, rendered: str, texts: list[str], answers: list[Any]) -> list[Piece]:
        pieces: list[Piece] = []
        run: str = ""
        run_answers: list[tuple[int, int]] = []
        position, controls = 0, self._control_tokens()
        for token in self._fragments(rendered, controls):
            start, position = position, position + len(token)
            seal = _SEAL.fullmatch(token)
            # Only seals that were set here: a templated string may hold such characters itself.
            seal = seal if seal and int(seal[1]) < len(texts) else None
            control = controls.get(token)
            if control:
                if run:
                    pieces.append(Piece("text", run, tuple(run_answers)))
                inside = any(a <= start and position <= b for a, b in answers)
                pieces.append(Piece(control, token, ((0, len(token)),) if inside else ()))
                run, run_answers = "", []
                continue
            text = texts[int(seal[1])] if seal else token
            for a, b in answers:
                low, high = max(a, start), min(b, position)
                if low < high:
                    # A sealed text is inside or outside as a whole; literals may be cut.
                    span = (0, len(text)) if seal else (low - start, high - start)
                    run_answers.append((len(run) + span[0], len(run) + span[1]))
            run += text
        if run:
            pieces.append(Piece("text", run, tuple(run_answers)))
        return pieces

    def _fragments(self, rendered: str, controls: Mapping[str, str]) -> list[str]:
        longest_first = sorted(controls, key=len, reverse=True)
        pattern = "|".join([_SEAL.pattern.replace("(", "(?:"), *map(re.escape, longest_first)])
        return [part for part in re.split(f"({pattern})", rendered) if part]

    def _control_tokens(self) -> dict[str, str]:
        """What the template may write besides text: token to "special", "image" or "video"."""
        added = [str(token) for token in self.tokenizer.added_tokens_decoder.values()]
        controls = dict.fromkeys([*added, *self.tokenizer.all_special_tokens], "special")
        return {**controls, self.image_token: "image", self.video_token: "video"}

    def user_turns(self, text: str) -> list[tuple[str, int]]:
        """(user text without placeholders, number of placeholders) per user turn of an already
        templated string; the whole string where it holds no role marks. Never an answer."""
        probe = [
            {"role": role, "content": [{"type": "text", "text": word}]}
            for role, word in (("user", "\ue010"), ("assistant", "\ue011"), ("user", "\ue012"))
        ]
        first, second = re.split("\ue010|\ue012", self.render(probe))[:2]
        middle, between = second.split("\ue011")
        common = 0
        while common < min(len(first), len(between)) and first[-1 - common] == between[-1 - common]:
            common += 1
        opening, closing = first[len(first) - common :].strip(), middle.rstrip()
        turns = [text]
        if opening and opening in text:
            ends = f"{re.escape(closing)}|{re.escape(opening)}|$"
            turns = re.findall(f"{re.escape(opening)}(.*?)(?={ends})", text, re.DOTALL)
        media = re.compile(f"{re.escape(self.image_token)}|{re.escape(self.video_token)}")
        return [(media.sub("", turn).strip(), len(media.findall(turn))) for turn in turns]


def encode_piece(piece: Piece, tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids of a text piece and, per id, 1 where it overlaps the assistant's characters."""
    encoded = tokenizer(
        piece.text,
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=bool(piece.answer),
        return_attention_mask=False,
        verbose=False,
    )
    ids = list(encoded["input_ids"])
    if not piece.answer:
        return ids, [0] * len(ids)
    mask = [
        int(any(low < end and start < high for start, end in piece.answer))
        for low, high in encoded["offset_mapping"]
    ]
    return ids, mask


__all__ = [
    "MediaBlock",
    "Piece",
    "Template",
    "conversation_list",
    "encode_piece",
    "media_blocks",
    "text_list",
]
