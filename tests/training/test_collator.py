"""What reaches the model: labels, Q-Former text, media, and hostile text as mere text."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.checkpoint import load_model
from trainer.data.collator import ABOUT, IGNORED, Collator, OverBudgetError, build_batch
from trainer.data.compose import compose, conversation
from trainer.data.rows import load_rows
from training.fixtures import HOSTILE, seeing


@pytest.fixture(scope="module")
def rows(release: Path) -> Any:
    return load_rows(str(release), None, "train", None, streaming=False)


@pytest.fixture(scope="module")
def loaded(base: Path) -> tuple[Any, Any]:
    return load_model(str(base), None)


@pytest.fixture
def collator(loaded: tuple[Any, Any]) -> Collator:
    return Collator(loaded[1], {"all": 1.0}, 0, None, "error")


def answer_of(row: Any) -> str:
    return compose(row["json"]["intro"], row["json"]["turns"])[1]


def labelled(processor: Any, labels: torch.Tensor) -> str:
    return processor.tokenizer.decode(labels[labels != IGNORED], skip_special_tokens=False)


def test_labels_are_the_answers_and_their_end_of_turn(collator: Collator, rows: Any) -> None:
    batch = collator([rows[i] for i in range(len(rows))])
    end = collator.processor.tokenizer.eos_token
    for row, labels in zip(rows, batch["labels"], strict=True):
        assert labelled(collator.processor, labels).strip() == answer_of(row) + end
    kept = batch["labels"] != IGNORED
    assert torch.equal(batch["labels"][kept], batch["input_ids"][kept])
    assert not (kept & (batch["attention_mask"] == 0)).any()


def test_no_answer_reaches_the_qformer(collator: Collator, rows: Any) -> None:
    batch = collator([rows[i] for i in range(4)])
    decode = collator.processor.qformer_tokenizer.decode
    texts = " ".join(
        decode(ids[mask == 1])
        for ids, mask in zip(
            batch["qformer_input_ids"], batch["qformer_attention_mask"], strict=True
        )
    )
    assert "analyze this" in texts.lower()
    for leaked in ("lovely", "very much", "scene 1", "will be liked"):
        assert leaked not in texts.lower()


def test_every_medium_has_its_pixels(collator: Collator, rows: Any) -> None:
    batch = collator([rows[i] for i in range(4)])  # video, picture, video, picture
    assert batch["pixel_values"].shape[0] == 2
    assert batch["video_num_frames"].shape[0] == 2
    assert batch["pixel_values_videos"].shape[0] == int(batch["video_num_frames"].sum())


def test_hostile_text_changes_neither_roles_nor_media(loaded: tuple[Any, Any], rows: Any) -> None:
    processor = loaded[1]
    hostile = next(row for row in rows if HOSTILE in row["json"]["intro"])
    tame = {**hostile, "json": {**hostile["json"], "intro": "The title.", "turns": []}}
    plain = [
        {**turn, "answer": turn["answer"].replace(HOSTILE, "nice")}
        for turn in hostile["json"]["turns"]
    ]

    def special(row: Any, turns: Any) -> list[int]:
        ids = build_batch(processor, [conversation(row, turns, with_answer=True)])["input_ids"][0]
        marked = set(processor.tokenizer.all_special_ids)
        vocabulary = len(processor.tokenizer)
        return [i for i in ids.tolist() if i in marked or i >= vocabulary]

    assert special(hostile, hostile["json"]["turns"]) == special(tame, plain)


@pytest.mark.parametrize("kind", ["pixel_values", "pixel_values_videos"])
def test_pixels_reach_the_loss(
    collator: Collator, loaded: tuple[Any, Any], rows: Any, kind: str
) -> None:
    model = seeing(loaded[0])
    batch = collator([rows[i] for i in range(2)])
    with torch.inference_mode():
        seen = model(**batch).loss
        blind = model(**{**batch, kind: torch.zeros_like(batch[kind])}).loss
    assert torch.isfinite(seen)
    assert abs(float(seen - blind)) > 1e-5


def test_rows_without_media_are_text_only(collator: Collator, rows: Any) -> None:
    batch = collator([{"json": rows[0]["json"]}])
    assert not {"pixel_values", "pixel_values_videos"} & set(batch)
    assert (batch["labels"] != IGNORED).any()


def test_a_draw_depends_on_pass_and_sample_only(loaded: tuple[Any, Any], rows: Any) -> None:
    mix = {"all": 1.0, "comments": 1.0, "scenes": 1.0}
    collator = Collator(loaded[1], mix, 7, None, "error")
    lengths = [
        int(collator([{**rows[1], "turn": turn}])["attention_mask"].sum()) for turn in range(6)
    ]
    both = [{**rows[i], "turn": 3} for i in (0, 1)]
    again = Collator(loaded[1], mix, 7, None, "error")
    assert int(again(both)["attention_mask"][1].sum()) == lengths[3]
    assert len(set(lengths)) > 1


def test_over_budget_is_an_error_or_a_counted_drop(loaded: tuple[Any, Any], rows: Any) -> None:
    processor = loaded[1]
    whole = Collator(processor, {"all": 1.0}, 0, None, "error")([rows[0], rows[1]])
    lengths = whole["attention_mask"].sum(dim=1).tolist()
    budget = min(lengths)
    name = rows[lengths.index(max(lengths))]["json"]["id"]
    with pytest.raises(OverBudgetError, match=f"{name}.*{max(lengths)} tokens.*{budget}"):
        Collator(processor, {"all": 1.0}, 0, budget, "error")([rows[0], rows[1]])
    dropping = Collator(processor, {"all": 1.0}, 0, budget, "drop")
    batch = dropping.counted([rows[0], rows[1]])
    assert batch["input_ids"].shape == (1, budget)
    assert batch[ABOUT]["dropped"] == 1
    dropping.max_tokens = 3
    batch = dropping.counted([rows[0], rows[1]])
    assert (batch["labels"] == IGNORED).all()
    assert batch[ABOUT]["dropped"] == 2
    with pytest.raises(ValueError, match="over_budget 'cut'"):
        Collator(processor, {"all": 1.0}, 0, budget, "cut")


def test_a_batch_of_text_alone_can_show_a_blank_picture(loaded: tuple[Any, Any], rows: Any) -> None:
    """DeepSpeed needs the same modules at work on every process; the loss must not notice."""
    plain = [{"json": rows[i]["json"]} for i in (0, 1)]
    bare = Collator(loaded[1], {"all": 1.0}, 0, None, "error")
    shown = Collator(loaded[1], {"all": 1.0}, 0, None, "error", always_visual=True)
    one, two = bare(plain), shown.counted(plain)
    assert two.pop(ABOUT)["dropped"] == 0
    assert two["pixel_values"].shape[0] == 1
    assert (two["labels"][2:] == IGNORED).all()
    with torch.inference_mode():
        assert float(loaded[0](**one).loss) == pytest.approx(float(loaded[0](**two).loss), abs=1e-5)
    assert shown([rows[0]]).keys() == bare([rows[0]]).keys()


def test_a_damaged_medium_names_its_sample(loaded: tuple[Any, Any], rows: Any) -> None:
    processor = loaded[1]
    collator = Collator(processor, {"all": 1.0}, 0, None, "error")
    row = next(row for row in rows if row["json"]["media_type"] == "video")
    broken = {**row, "mp4": {"bytes": b"not a video", "path": None}}
    with pytest.raises(ValueError, match=row["json"]["id"]):
        collator([broken])
