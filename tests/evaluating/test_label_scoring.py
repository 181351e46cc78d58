"""Packed label scoring equals one full forward per label, on every kind of model."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlavaConfig, LlavaForConditionalGeneration

from evaluating.support import GOLDENS, golden
from places import needs_shared
from trainer.evaluation.protocols import packed
from trainer.evaluation.protocols.asking import Asker, AskProblem, load
from trainer.evaluation.protocols.labels import (
    choose_normalisation,
    first_token_collisions,
    label_scores,
    prefix_pairs,
)
from trainer.evaluation.protocols.packed import (
    Tree,
    full_logprobs,
    label_entries,
    packed_logprobs,
)

LABELS = ("joy", "sadness", "sad", "anger", "fear", "contentment and awe", "surprise")


def worst(a: list[list[float]], b: list[list[float]]) -> float:
    pairs = zip(a, b, strict=True)
    return max(abs(x - y) for m, n in pairs for x, y in zip(m, n, strict=True))


@needs_shared("goldens/evaluation")
@pytest.mark.parametrize("way", ["packed", "full"])
def test_the_golden_language_model(way: str) -> None:
    case = golden("label_scoring_tiny_lm")
    model = AutoModelForCausalLM.from_pretrained(GOLDENS / "tiny_lm", dtype="float32").eval()
    names, ids = case["annotations"]["labels"], case["annotations"]["label_token_ids"]
    end = case["annotations"]["end_token"]
    tolerance = case["tolerance"]

    def run(prefix: list[int]) -> list[list[float]]:
        row = torch.tensor([prefix])
        inputs = {"input_ids": row, "attention_mask": torch.ones_like(row)}
        with_end = [[*label, end] for label in ids]
        if way == "full":
            return full_logprobs(model, inputs, with_end)
        return packed_logprobs(model, inputs, with_end)[0]

    for item, expected in zip(case["predictions"], case["expected"]["items"], strict=True):
        found = run(item["prefix"])
        prior = run(item["unconditional_prefix"])
        entries = label_entries(names, ids, found, prior, ends=True, shared_first=False)
        keys = {
            "first_token": "first",
            "sum": "sum",
            "token_mean": "token_mean",
            "byte_normalised": "byte",
            "pmi": "pmi",
            "sum_with_end_token": "sum_end",
        }
        for key, name in keys.items():
            scores = label_scores(entries, names, name)
            assert scores is not None
            assert list(scores) == pytest.approx(expected["scores"][key], abs=tolerance)
            assert scores.argmax() == expected["argmax"][key]
    assert first_token_collisions(ids) == case["expected"]["first_token_collisions"]
    assert prefix_pairs(ids) == case["expected"]["labels_that_are_token_prefixes_of_others"]


def test_colliding_labels_refuse_the_first_token() -> None:
    ids = [[5], [7, 8], [7, 9]]
    values = [[-1.0], [-2.0, -1.0], [-2.0, -3.0]]
    shared = bool(first_token_collisions(ids))
    entries = label_entries("abc", ids, values, None, ends=False, shared_first=shared)
    assert choose_normalisation([entries], tuple("abc")) == "sum"
    assert label_scores(entries, "abc", "first") is None
    # a model's file that gives the equal numbers all the same is caught as well
    for name, row in zip("abc", values, strict=True):
        entries[name]["first"] = row[0]
    assert choose_normalisation([entries], tuple("abc")) == "sum"


def test_a_label_that_begins_another_needs_its_end() -> None:
    # p(short) >= p(long) whatever the model: the sum always prefers "sad" to "sadness"
    ids, values = [[7, 8], [7, 8, 9]], [[-1.0, -1.0, -5.0], [-1.0, -1.0, -0.1, -0.1]]
    entries = label_entries(["sad", "sadness"], ids, values, None, ends=True, shared_first=True)
    labels = ("sad", "sadness")
    assert prefix_pairs(ids) == [[0, 1]]
    plain, ended = label_scores(entries, labels, "sum"), label_scores(entries, labels, "sum_end")
    assert plain is not None
    assert ended is not None
    assert (plain.argmax(), ended.argmax()) == (0, 1)
    assert choose_normalisation([entries], labels) == "sum_end"


def test_one_token_labels_need_no_second_forward() -> None:
    assert Tree.of([[4], [5], [6]]).tokens == []
    tree = Tree.of([[7, 8, 9], [7, 8], [7, 6], [5]])
    assert (tree.tokens, tree.parents, tree.depths) == ([7, 8], [-1, 0], [0, 1])


@pytest.fixture(scope="module")
def asker(base: Path) -> Asker:
    return load(str(base), None)


def pictures(tmp_path: Path) -> dict[str, Path]:
    from training.fixtures import clip, jpeg

    (tmp_path / "a.jpg").write_bytes(jpeg((200, 30, 30), 3))
    (tmp_path / "b.mp4").write_bytes(clip((30, 60, 200)))
    return {"image": tmp_path / "a.jpg", "video": tmp_path / "b.mp4"}


@pytest.mark.parametrize("kind", ["image", "video", "text"])
def test_llava_vid(asker: Asker, tmp_path: Path, kind: str) -> None:
    media = pictures(tmp_path).get(kind)
    inputs = asker.inputs(asker.messages("Which emotion is this?", media))
    ids, end = asker.label_ids(LABELS)
    labels = [[*label, *end] for label in ids]
    expected = full_logprobs(asker.model, inputs, labels)
    found, cache = packed_logprobs(asker.model, inputs, labels)
    assert worst(expected, found) < 1e-4
    again, _ = packed_logprobs(asker.model, inputs, labels)
    assert found == again
    assert cache.get_seq_length() == inputs["input_ids"].shape[1]
    assert asker.logprobs(inputs, labels) == found
    assert asker._packs


def test_the_mask_is_what_keeps_labels_apart(
    asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = asker.inputs(asker.messages("Which emotion is this?", None))
    labels = asker.label_ids(LABELS)[0]
    expected = full_logprobs(asker.model, inputs, labels)
    nodes = len(Tree.of(labels).tokens)
    causal = torch.tril(torch.ones(nodes, nodes, dtype=torch.bool))
    monkeypatch.setattr(packed.Tree, "sees", lambda tree: causal)
    assert worst(expected, packed_logprobs(asker.model, inputs, labels)[0]) > 1e-3


def test_label_tokens_are_those_of_an_answer(asker: Asker) -> None:
    ids, end = asker.label_ids(("joy", "fear"))
    assert end == [asker.tokenizer.eos_token_id]
    assert [asker.tokenizer.decode(label).strip() for label in ids] == ["joy", "fear"]


def test_one_vision_pass_per_media_item(asker: Asker, tmp_path: Path) -> None:
    media = pictures(tmp_path)["video"]
    calls: list[int] = []
    handle = asker.model.model.vision_tower.encoder.layers[0].register_forward_hook(
        lambda *_: calls.append(1)
    )
    with asker.one_vision_pass():
        outputs = [
            asker.model(**asker.inputs(asker.messages(q, media))).logits[0, -1, :5]
            for q in ("What is it?", "Who is it?", "Why?")
        ]
    assert len(calls) == 1
    plain = asker.model(**asker.inputs(asker.messages("Why?", media))).logits[0, -1, :5]
    assert len(calls) == 2
    handle.remove()
    assert torch.allclose(outputs[-1], plain, atol=1e-5)


def test_a_stock_vision_model() -> None:
    text = {
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 128,
    }
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 28,
        "patch_size": 14,
        "projection_dim": 32,
    }
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=5)
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config).eval()
    row = torch.tensor([[1, 9, *[5] * 4, 11, 12, 13]])
    inputs = {
        "input_ids": row,
        "attention_mask": torch.ones_like(row),
        "pixel_values": torch.randn(1, 3, 28, 28),
    }
    labels = [[7], [8, 20], [8, 21, 22], [30, 31, 32, 33]]
    expected = full_logprobs(model, inputs, labels)
    assert worst(expected, packed_logprobs(model, inputs, labels)[0]) < 1e-4


def test_a_prompt_that_does_not_stay_a_prefix_is_refused() -> None:
    with pytest.raises(AskProblem, match="stay a prefix"):
        Asker._after([1, 2, 3], [1, 2, 9, 4], "joy")
