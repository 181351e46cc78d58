"""What the library's common suites ask of a model, on a tiny LlavaVid with picture and video."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import DynamicCache, StaticCache

from model.fixtures import code, tiny_config, tiny_model

IMAGE, VIDEO = 640, 641


def batch(model: Any, seed: int = 0) -> dict[str, torch.Tensor]:
    """Two rows: a picture, and a two-frame video with a second question; no padding."""
    generator = torch.Generator().manual_seed(seed)
    per_frame = 1 + model.config.content_tokens_per_frame()
    text = torch.randint(3, 600, (2, 12), generator=generator)
    picture, frames = [IMAGE] * per_frame, [VIDEO] * (2 * per_frame)
    filler = text[0].tolist()[:per_frame]
    ids = torch.tensor([text[0].tolist() + picture + filler, text[1].tolist() + frames])
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(1, 3, 56, 56, generator=generator),
        "pixel_values_videos": torch.randn(2, 3, 56, 56, generator=generator),
        "video_num_frames": torch.tensor([2]),
        "image_slots": torch.tensor([[0, 0, 0]]),
        "video_slots": torch.tensor([[1, 0, 1]]),
        "qformer_input_ids": torch.tensor([[2, 9, 3, 0], [2, 8, 7, 3]]),
        "qformer_attention_mask": torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]),
    }


def logits(model: Any, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(**inputs).logits


def same(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Equal but for rounding: kernels differ with the processor, the alignment of memory and the
    attention. Logits are about 5 here; the smallest wrong formula tried moved them by 9e-4."""
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() < 1e-4)


def without_dropout(model: Any) -> Any:
    for part in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        setattr(model.config.qformer_config, part, 0.0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def test_forward_is_deterministic_and_finite() -> None:
    model = tiny_model()
    first = logits(model, **batch(model))
    assert first.shape == (2, 16, 640)
    assert torch.isfinite(first).all()
    assert same(first, logits(model, **batch(model)))


def test_saving_and_loading_keeps_logits_and_writes_safetensors_only(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    again, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert same(logits(model, **batch(model)), logits(again.eval(), **batch(model)))
    assert not list(tmp_path.glob("*.bin"))


def test_base_model_and_head_load_from_each_other(tmp_path: Path) -> None:
    model = tiny_model()
    model.model.save_pretrained(tmp_path / "base")
    base = code("modeling_llava_vid.LlavaVidModel").from_pretrained(tmp_path / "base").eval()
    inputs = batch(model)
    with torch.no_grad():
        hidden = base(**inputs).last_hidden_state
    assert same(model.lm_head(hidden), logits(model, **inputs))
    model.save_pretrained(tmp_path / "full")
    base = code("modeling_llava_vid.LlavaVidModel").from_pretrained(tmp_path / "full").eval()
    with torch.no_grad():
        assert same(base(**inputs).last_hidden_state, hidden)


def test_tied_embeddings_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    model = tiny_model(
        text_config={**tiny_config().text_config.to_dict(), "tie_word_embeddings": True}
    )
    assert model.lm_head.weight is model.get_input_embeddings().weight
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118 - not a dict
    again = type(model).from_pretrained(tmp_path)
    assert again.lm_head.weight is again.get_input_embeddings().weight
    again.resize_token_embeddings(700)
    assert again.lm_head.weight is again.get_input_embeddings().weight


def test_eager_and_sdpa_agree() -> None:
    eager = tiny_model("eager")
    sdpa = tiny_model("sdpa")
    sdpa.load_state_dict(eager.state_dict())
    for name in ("vision_tower", "qformer", "language_model"):
        assert getattr(sdpa.model, name).config._attn_implementation == "sdpa"
        assert getattr(eager.model, name).config._attn_implementation == "eager"
    assert same(logits(eager, **batch(eager)), logits(sdpa, **batch(eager)))


def test_attention_can_be_switched_after_loading() -> None:
    model = tiny_model("eager")
    before = logits(model, **batch(model))
    model.set_attn_implementation("sdpa")
    assert model.model.language_model.config._attn_implementation == "sdpa"
    assert same(before, logits(model, **batch(model)))


@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_cached_steps_equal_the_full_pass(kind: str) -> None:
    model = tiny_model("sdpa")
    inputs = batch(model)
    full = logits(model, **inputs)
    text = model.config.text_config
    cache = DynamicCache(config=text) if kind == "dynamic" else StaticCache(text, max_cache_len=20)
    prefix = {**inputs, "input_ids": inputs["input_ids"][:, :-1]}
    # The last token of row 1 belongs to its video, so only row 0 can be continued by text.
    prefix = row_zero(prefix)
    first = logits(model, **{**prefix, "attention_mask": None}, past_key_values=cache)
    assert same(first, full[:1, :-1])
    last = logits(model, input_ids=inputs["input_ids"][:1, -1:], past_key_values=cache)
    assert same(last[:, 0], full[:1, -1])


def row_zero(inputs: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in inputs.items() if "video" not in k}
    return {**kept, "input_ids": inputs["input_ids"][:1], "attention_mask": None}


def test_logits_to_keep() -> None:
    model = tiny_model()
    inputs = batch(model)
    full = logits(model, **inputs)
    assert same(logits(model, **inputs, logits_to_keep=1), full[:, -1:])
    assert same(logits(model, **inputs, logits_to_keep=torch.tensor([2, 5])), full[:, [2, 5]])


def test_tuple_output_hidden_states_and_attentions() -> None:
    model = tiny_model("eager")
    inputs = batch(model)
    out = model(**inputs, output_hidden_states=True, output_attentions=True)
    assert len(out.hidden_states) == 3
    assert len(out.attentions) == 2
    assert out.attentions[0].shape == (2, 4, 16, 16)
    assert [t.shape for t in out.image_hidden_states] == [(2, 96)]
    assert [t.shape for t in out.video_hidden_states] == [(4, 96)]
    plain = model(**inputs, return_dict=False)
    assert same(plain[0], out.logits)
    with torch.no_grad():
        seen = model.get_image_features(**inputs, return_dict=False)
    assert isinstance(seen, tuple)
    model.config.return_dict = False  # as for tracing: inside, names are still there
    assert same(model(**inputs)[0], out.logits)


def test_inputs_embeds_equal_input_ids() -> None:
    model = tiny_model()
    inputs = batch(model)
    vision = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
    embeds = model.embed_inputs(inputs["input_ids"], **vision)
    assert same(logits(model, inputs_embeds=embeds), logits(model, **inputs))
    with pytest.raises(ValueError, match="exactly one"):
        model(input_ids=inputs["input_ids"], inputs_embeds=embeds)
    with pytest.raises(ValueError, match="merge them first"):
        model(inputs_embeds=embeds, **vision)
    with pytest.raises(ValueError, match="merge them first"):
        model.generate(inputs_embeds=embeds, **vision, max_new_tokens=1)


def test_left_padding_changes_nothing() -> None:
    model = tiny_model("sdpa")
    inputs = batch(model)
    full = logits(model, **inputs)
    padding = torch.zeros(2, 5, dtype=torch.long)
    inputs["input_ids"] = torch.cat([padding, inputs["input_ids"]], 1)
    inputs["attention_mask"] = torch.cat([padding, inputs["attention_mask"]], 1)
    assert same(logits(model, **inputs)[:, 5:], full)


def test_padded_questions_change_nothing() -> None:
    model = tiny_model("sdpa")
    inputs = batch(model)
    full = logits(model, **inputs)
    extra = torch.zeros(2, 6, dtype=torch.long)
    inputs["qformer_input_ids"] = torch.cat([inputs["qformer_input_ids"], extra + 5], 1)
    inputs["qformer_attention_mask"] = torch.cat([inputs["qformer_attention_mask"], extra], 1)
    assert same(logits(model, **inputs), full)


def test_resized_embeddings_keep_old_logits_and_placeholders() -> None:
    model = tiny_model()
    inputs = batch(model)
    full = logits(model, **inputs)
    model.resize_token_embeddings(650)
    assert model.config.text_config.vocab_size == 650
    bigger = logits(model, **inputs)
    assert bigger.shape[-1] == 650
    assert (bigger[..., :640] - full).abs().max() < 1e-6
    model.resize_token_embeddings(640)
    assert (logits(model, **inputs) - full).abs().max() < 1e-6


def test_feed_forward_chunking_of_the_qformer_changes_nothing() -> None:
    plain = tiny_model()
    chunked = tiny_model(
        qformer_config={**plain.config.qformer_config.to_dict(), "chunk_size_feed_forward": 1}
    )
    chunked.load_state_dict(plain.state_dict())
    assert same(logits(plain, **batch(plain)), logits(chunked, **batch(plain)))


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_same_gradients(reentrant: bool) -> None:
    def gradients(checkpoint: bool) -> tuple[float, dict[str, torch.Tensor]]:
        model = without_dropout(tiny_model("sdpa")).train()
        if checkpoint:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        inputs = batch(model)
        loss = model(**inputs, labels=inputs["input_ids"], use_cache=False).loss
        loss.backward()
        grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        return loss.item(), grads

    plain_loss, plain = gradients(False)
    loss, checkpointed = gradients(True)
    assert abs(plain_loss - loss) < 1e-6
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        assert (gradient - checkpointed[name]).abs().max() < 1e-5, name


def test_every_part_but_the_tower_gets_a_gradient() -> None:
    model = tiny_model().train()
    inputs = batch(model)
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    for name, parameter in model.named_parameters():
        tower = name.startswith("model.vision_tower")
        assert parameter.requires_grad is not tower, name
        assert (parameter.grad is None) is tower, name


def test_an_unfrozen_tower_gets_gradients() -> None:
    model = tiny_model(train_vision_tower=True).train()
    inputs = batch(model)
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(p.grad is not None for p in model.model.vision_tower.parameters())


@pytest.mark.parametrize("checkpointing", [None, True, False])
def test_a_tower_unfrozen_by_hand_gets_the_gradients_of_one_born_trainable(
    checkpointing: bool | None,
) -> None:
    born, unfrozen = (tiny_model(train_vision_tower=born).train() for born in (True, False))
    unfrozen.model.vision_tower.requires_grad_(True)
    gradients = []
    for model in (born, unfrozen):
        without_dropout(model)
        if checkpointing is not None and model is unfrozen:  # the argument: use_reentrant
            model.gradient_checkpointing_enable({"use_reentrant": checkpointing})
        inputs = batch(model)
        torch.manual_seed(0)
        model(**inputs, labels=inputs["input_ids"], use_cache=False).loss.backward()
        gradients.append({n: p.grad for n, p in model.model.vision_tower.named_parameters()})
    for name, expected in gradients[0].items():
        assert torch.allclose(gradients[1][name], expected, atol=1e-5), name


def test_adapters_on_the_tower_train_and_its_own_weights_stay() -> None:
    peft = pytest.importorskip("peft")
    model = tiny_model()
    target = r".*vision_tower.*\.(qkv|projection)"
    wrapped = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=target)).train()
    inputs = batch(model)
    wrapped(**inputs, labels=inputs["input_ids"]).loss.backward()
    inside = dict(model.model.vision_tower.named_parameters())
    adapters = {name: p for name, p in inside.items() if "lora_B" in name}
    assert adapters
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in adapters.values())
    assert all(p.grad is None for name, p in inside.items() if "lora_" not in name)


def test_labels_at_placeholders_are_ignored_and_the_loss_is_the_token_mean() -> None:
    model = tiny_model()
    inputs = batch(model)
    labels = inputs["input_ids"].clone()
    out = model(**inputs, labels=labels)
    shifted = labels[:, 1:].masked_fill(labels[:, 1:] >= 640, -100)
    expected = torch.nn.functional.cross_entropy(
        out.logits[:, :-1].flatten(0, 1), shifted.flatten(), ignore_index=-100
    )
    assert torch.allclose(out.loss, expected, atol=1e-6)


def test_half_precision_runs_and_stays_close() -> None:
    model = tiny_model("sdpa")
    inputs = batch(model)
    full = logits(model, **inputs)
    half = logits(model.to(torch.bfloat16), **inputs)
    assert half.dtype == torch.bfloat16
    assert (half.float() - full).abs().mean() / full.abs().mean() < 0.05


def test_initialisation_touches_every_parameter() -> None:
    torch.manual_seed(1)
    model = code("modeling_llava_vid.LlavaVidForConditionalGeneration")(tiny_config())
    assert 0.1 < model.model.vlm_att_query.std() < 0.3
    assert (model.model.vlm_att_ln.weight == 1).all()
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_device_map_places_the_parts(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path, device_map={"": "cpu"}).eval()
    assert same(logits(model, **batch(model)), logits(again, **batch(model)))
    assert {"InstructBlipEncoderLayer", "LlamaDecoderLayer"} & set(model._no_split_modules)


@pytest.mark.parametrize("tower", [False, True])
def test_a_text_only_batch_trains_every_part_in_distributed_runs(
    tmp_path: Path, tower: bool
) -> None:
    """Ranks without pictures must still touch every parameter, with a gradient of zero."""
    distributed = torch.distributed
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        model = tiny_model(train_vision_tower=tower).train()
        ids = torch.tensor([[5, 6, 7, 8]])
        alone = model(input_ids=ids, labels=ids).loss
        alone.backward()
    finally:
        distributed.destroy_process_group()
    for name, parameter in model.named_parameters():
        if tower or not name.startswith("model.vision_tower"):
            assert parameter.grad is not None, name
    assert (model.model.mm_projector[0].weight.grad == 0).all()
    assert torch.allclose(alone, tiny_model()(input_ids=ids, labels=ids).loss, atol=1e-5)
