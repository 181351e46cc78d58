"""The heart of LLaMA-VID against its own published code, with what a clone holds."""

from functools import cache
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from model.fixtures import tiny_model, workshop
from places import ROOT

TOLERANCE = 2e-5


@cache
def recorded() -> dict[str, dict[str, torch.Tensor]]:
    """`weight`: tensors of the reference under its names; `case`: what it computed."""
    found: dict[str, dict[str, torch.Tensor]] = {"weight": {}, "case": {}}
    for name, tensor in load_file(ROOT / "tests/data/llama_vid_two_prompts.safetensors").items():
        part, _, rest = name.partition(".")
        found[part][rest] = tensor
    return found


def reference_model(attention: str) -> Any:
    """A tiny model whose Q-Former, attention and projectors are the reference's."""
    model = tiny_model(attention)
    weights = workshop("converting.names.assembled_tensors")(recorded()["weight"])
    missing, unexpected = model.load_state_dict(weights, strict=False)
    own = ("model.vision_tower.", "model.language_model.", "lm_head.")
    assert (unexpected, [name for name in missing if not name.startswith(own)]) == ([], [])
    return model


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_stage_behind_the_tower_equals_the_published_code(attention: str) -> None:
    model, case = reference_model(attention), recorded()["case"]
    inner, seen = model.model, {}
    inner.vlm_att_ln.register_forward_hook(lambda m, a, out: seen.update(ln=out))
    inner.qformer.embeddings.register_forward_hook(lambda m, a, out: seen.update(embeddings=out))
    inner.qformer.register_forward_hook(lambda m, a, out: seen.update(q=out.last_hidden_state))
    inner.vlm_att_projector.register_forward_hook(lambda m, a, out: seen.update(text=out))
    inner.vlm_att_key_projector.register_forward_hook(lambda m, a, out: seen.update(keys=out))
    inner.vlm_att_val_projector.register_forward_pre_hook(lambda m, a: seen.update(pooled=a[0]))
    mask = case["qformer_attention_mask.0"]
    assert mask.sum(1).unique().numel() == 2, "two questions of different lengths"
    with torch.no_grad():
        out = model.get_image_features(
            image_features=case["vision_features.0"],
            qformer_input_ids=case["qformer_input_ids.0"],
            qformer_attention_mask=mask,
        )
    # padded text is nobody's: the reference computes it, and no token depends on it
    real = torch.cat([torch.ones(2, 8), mask.float()], 1)[..., None]
    for ours, theirs in (
        (seen["ln"], case["ln_vision_out.0"]),
        (seen["embeddings"], case["qformer_embeddings.0"]),
        (seen["q"] * real, case["qformer_last_hidden.0"] * real),
        (seen["text"], case["text_queries.0"]),
        (seen["keys"], case["vision_keys.0"]),
        (seen["pooled"], case["context_pooled.0"]),
        (out.context_tokens, case["context_token.0"]),
        (out.content_tokens, case["content_token.0"]),
        (torch.stack(out.pooler_output), case["visual_tokens.0"]),
    ):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < TOLERANCE


def test_the_plain_formulas_equal_the_published_code() -> None:
    """The oracle of the converter, so that what it confirms is the reference too."""
    weights, case = recorded()["weight"], recorded()["case"]
    qformer = workshop("converting.verify.qformer")
    for row, ids in enumerate(case["qformer_input_ids.0"]):
        ids = ids[case["qformer_attention_mask.0"][row].bool()]
        image = case["ln_vision_out.0"][row : row + 1]
        hidden = qformer(weights.__getitem__, ids[None], image, layers=4, heads=4, every=2)
        expected = case["qformer_last_hidden.0"][row : row + 1, :8]
        assert (hidden - expected).abs().max() < TOLERANCE
