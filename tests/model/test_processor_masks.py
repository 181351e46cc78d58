"""Masks, padding, budgets and truncation of the processor."""

from typing import Any

import pytest

from model.conversations import IMAGE, error, picture, run, said, user


def test_the_mask_marks_answers_and_their_end_of_turn(processor: Any) -> None:
    chat = [user("One?"), said("First."), user("Two?", {**IMAGE, "image": picture()}), said("2nd!")]
    batch = run(processor, chat, return_assistant_tokens_mask=True)
    ids, mask = batch["input_ids"][0], batch["assistant_masks"][0]
    assert processor.tokenizer.decode(ids[mask == 1]) == "First.<|im_end|>2nd!<|im_end|>"
    open_end = run(
        processor, chat[:1], add_generation_prompt=True, return_assistant_tokens_mask=True
    )
    assert open_end["assistant_masks"].sum() == 0
    with pytest.raises(ValueError, match="generation"):
        run(
            processor,
            chat,
            return_assistant_tokens_mask=True,
            chat_template="{{ messages|length }}",
        )


def test_batches_pad_on_the_asked_side(processor: Any) -> None:
    chats = [[user("A longer question than the other one?")], [user("Short?")]]
    for side in ("left", "right"):
        batch = run(processor, chats, padding_side=side, return_assistant_tokens_mask=True)
        alone = run(processor, chats[1])["input_ids"][0].tolist()
        row = batch["input_ids"][1].tolist()
        kept = row[-len(alone) :] if side == "left" else row[: len(alone)]
        assert kept == alone
        assert batch["attention_mask"][1].sum() == len(alone)
        assert batch["assistant_masks"].shape == batch["input_ids"].shape
    wide = run(processor, chats, pad_to_multiple_of=64)
    assert wide["input_ids"].shape[1] % 64 == 0
    assert run(processor, chats, padding="max_length", max_length=99)["input_ids"].shape[1] == 99
    with pytest.raises(ValueError, match="'left' or 'right'"):
        run(processor, chats, padding_side="top")


def test_rows_stay_as_long_as_they_are_without_padding(processor: Any) -> None:
    chats = [[user("a")], [user("a much longer question")]]
    lists = run(processor, chats, padding=False, return_tensors=None)
    lengths = [len(row) for row in lists["input_ids"]]
    assert lengths[0] < lengths[1]
    assert [len(row) for row in lists["attention_mask"]] == lengths
    assert len({len(row) for row in run(processor, chats, return_tensors=None)["input_ids"]}) == 1
    with pytest.raises(ValueError, match="padding is False"):
        run(processor, chats, padding=False)


def test_too_much_text_is_an_error_and_truncation_cuts_before_the_expansion(processor: Any) -> None:
    image = {**IMAGE, "image": picture()}
    told = error(processor, "word " * 200, image, max_length=50)
    assert "row 1" in told
    assert "2 visual" in told
    assert "the budget is 50" in told
    assert "max_frames" in told
    processor.max_length = 60
    assert "the budget is 60" in error(processor, "word " * 200)
    chat = [user(image, "word " * 200)]
    cut = run(processor, chat, truncation=True, max_length=30)
    assert cut["input_ids"].shape[1] == 29 + processor.tokens_per_frame
    with pytest.raises(ValueError, match="leaves 0 of 1 media"):
        run(processor, [user("word " * 200, image)], truncation=True, max_length=30)
