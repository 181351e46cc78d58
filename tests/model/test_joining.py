"""Rows that were processed alone, joined by others: pipelines, collators, `processor.pad`."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    DataCollatorWithPadding,
    pipeline,
)

from model.conversations import picture
from model.conversations import user as message

GREEDY = {"max_new_tokens": 6, "do_sample": False}


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> tuple[Any, Any]:
    model = AutoModelForImageTextToText.from_pretrained(tiny_folder, trust_remote_code=True)
    return model.eval(), AutoProcessor.from_pretrained(tiny_folder, trust_remote_code=True)


def user(*content: Any) -> list[dict[str, Any]]:
    return [message(*content)]


def image(seed: int) -> dict[str, Any]:
    return {"type": "image", "image": picture(seed)}


def video(seed: int, frames: int) -> dict[str, Any]:
    return {"type": "video", "video": [picture(seed + i) for i in range(frames)]}


def two_turns() -> list[dict[str, Any]]:
    answer = {"role": "assistant", "content": [{"type": "text", "text": "A dog."}]}
    return [*user("What is it?", image(4)), answer, *user("And this one, please?", image(5))]


PICTURES = [
    user("What is this?", image(1)),
    user("A much longer question than the first: what is this?", image(2)),
    user("Two of them?", image(1), image(3)),
]
MIXED = [
    user("Only text."),
    user("What is this?", image(1)),
    user("How many frames does it have?", video(10, 3), video(20, 2)),
    two_turns(),
    user("Both?", image(6), video(30, 2)),
    user("Again only text, at the end."),
]


def run(processor: Any, chats: Any, **options: Any) -> Any:
    form = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
    return processor.apply_chat_template(chats, **form, **options)


def logits(model: Any, batch: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch).logits


def same(model: Any, joined: Any, together: Any) -> bool:
    assert torch.equal(joined["input_ids"], together["input_ids"])
    assert torch.equal(joined["attention_mask"], together["attention_mask"])
    difference = logits(model, joined) - logits(model, together)
    real = together["attention_mask"].bool()  # what stands at padding is nobody's
    return bool(difference[real].abs().max() < 1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("form", ["tensors", "lists", "squeezed", "joinable"])
def test_padded_rows_equal_rows_processed_together(loaded: Any, side: str, form: str) -> None:
    model, processor = loaded
    options = {"return_tensors": None} if form == "lists" else {"joinable": form == "joinable"}
    rows = [dict(run(processor, chat, **options)) for chat in MIXED]
    if form == "squeezed":
        rows = [{k: v.squeeze(0) for k, v in row.items()} for row in rows]
    joined = processor.pad(rows, padding_side=side)
    together = run(processor, MIXED, padding_side=side)
    for name in ("image_slots", "video_slots", "video_num_frames", "media_layout"):
        assert torch.equal(joined[name], together[name]), name
    assert same(model, joined, together)


def test_padding_in_two_steps_and_further_columns(loaded: Any) -> None:
    model, processor = loaded
    rows = [dict(run(processor, chat)) for chat in MIXED]
    for number, row in enumerate(rows):
        row["labels"] = row["input_ids"].clone()
        row["weight"], row["name"] = torch.tensor([float(number)]), f"row {number}"
    halves = [processor.pad(rows[:3]), processor.pad(rows[3:])]
    joined = processor.pad([{k: v for k, v in half.items() if k != "name"} for half in halves])
    assert same(model, {k: v for k, v in joined.items() if k not in ("weight", "labels")},
                run(processor, MIXED))  # fmt: skip
    assert (joined["labels"] == -100).sum() > 0
    assert joined["weight"].tolist() == [0, 1, 2, 3, 4, 5]
    assert halves[0]["name"] == ["row 0", "row 1", "row 2"]
    with pytest.raises(ValueError, match="'name' is missing in 1"):
        processor.pad([rows[0], {k: v for k, v in rows[1].items() if k != "name"}])
    with pytest.raises(ValueError, match="0 rows"):
        processor.pad([])


def test_the_librarys_padding_collator_takes_the_processor(loaded: Any) -> None:
    model, processor = loaded
    collate = DataCollatorWithPadding(processor, pad_to_multiple_of=8)
    rows = [run(processor, chat) for chat in MIXED]
    loader = DataLoader(rows, batch_size=len(rows), collate_fn=collate)
    (batch,) = list(loader)
    assert batch["input_ids"].shape[1] % 8 == 0
    assert same(model, batch, run(processor, MIXED, pad_to_multiple_of=8))


@pytest.mark.parametrize("chats", [PICTURES[:2], PICTURES, [two_turns(), two_turns()]])
def test_a_pipeline_answers_two_rows_at_once(loaded: Any, chats: list[Any]) -> None:
    model, processor = loaded
    pipe = pipeline("image-text-to-text", model=model, processor=processor)
    options = {"generate_kwargs": GREEDY, "return_full_text": False}
    alone = pipe(text=chats, **options)
    assert pipe(text=chats, batch_size=len(chats), **options) == alone


def test_a_pipeline_batches_whatever_is_joinable(loaded: Any) -> None:
    model, processor = loaded
    pipe = pipeline("image-text-to-text", model=model, processor=processor)
    options = {"generate_kwargs": GREEDY, "return_full_text": False}
    long = user("And now a video.", video(10, 3), video(20, 4))
    chats = [long, user("Which colour does it have, mostly?", video(30, 2))]
    alone = pipe(text=chats, **options)
    with pytest.raises(ValueError, match=r"joinable=True"):
        pipe(text=chats, batch_size=2, **options)
    with pytest.raises(ValueError, match=r"joinable=True"):  # four questions, two of them lost
        pipe(text=[two_turns(), PICTURES[1]], batch_size=2, **options)
    joinable = {"processor_kwargs": {"joinable": True}, "batch_size": 2}
    assert pipe(text=chats, **joinable, **options) == alone
    mixed = [two_turns(), PICTURES[1]]
    assert pipe(text=mixed, **joinable, **options) == pipe(text=mixed, **options)


@pytest.mark.parametrize("squeeze", [True, False])
def test_stacked_rows_of_one_length(loaded: Any, squeeze: bool) -> None:
    """PyTorch's own collator: every column one dimension more, text squeezed by the caller."""
    model, processor = loaded
    for kind in (image, lambda seed: video(seed, 3)):
        chats = [user("What is this?", kind(seed)) for seed in (1, 5)]
        rows = [dict(run(processor, chat)) for chat in chats]
        text = ("input_ids", "attention_mask")
        rows = [
            {k: v.squeeze(0) if squeeze or k in text else v for k, v in row.items()} for row in rows
        ]
        (batch,) = list(DataLoader(rows, batch_size=2))
        assert same(model, batch, run(processor, chats))
