"""Generation in every mode, pipelines, adapters, on the assembled tiny model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    DynamicCache,
    StaticCache,
    pipeline,
)

from model.fixtures import assembled_tiny

STEPS = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assembled_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    return AutoModel.from_pretrained(folder, trust_remote_code=True).eval(), processor


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (70, 110, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def user(*content: Any) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
    return [{"role": "user", "content": blocks}]


def conversations() -> list[list[dict[str, Any]]]:
    """A picture, a three-frame video, text alone, two pictures in one question."""
    video = [picture(i) for i in range(3)]
    images = [{"type": "image", "image": picture(seed)} for seed in (7, 8, 9)]
    return [
        user(images[0], "What is this?"),
        user("What percentage of viewers would like it?", {"type": "video", "video": video}),
        user("Hello"),
        user(images[1], "and", images[2], "Which one is older?"),
    ]


def batch_of(processor: Any, chats: Any, **options: Any) -> Any:
    return processor.apply_chat_template(
        chats, tokenize=True, return_dict=True, add_generation_prompt=True, **options
    )


def generated(model: Any, inputs: Any, **options: Any) -> list[list[int]]:
    torch.manual_seed(0)
    options = {"max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False, **options}
    return model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :].tolist()


def test_a_left_padded_mixed_batch_equals_its_single_runs(loaded: Any) -> None:
    model, processor = loaded
    chats = conversations()
    together = batch_of(processor, chats)
    with torch.no_grad():
        logits = model(**together).logits
    tokens = generated(model, together)
    for row, chat in enumerate(chats):
        alone = batch_of(processor, chat)
        with torch.no_grad():
            single = model(**alone).logits[0]
        assert (logits[row, -len(single) :] - single).abs().max() < 1e-4
        assert generated(model, alone) == [tokens[row]]


@pytest.mark.parametrize(
    "options",
    [
        {"use_cache": False},
        {"cache_implementation": "static"},
        {"num_beams": 1, "repetition_penalty": 1.0},
    ],
)
def test_other_caches_give_the_greedy_tokens(loaded: Any, options: dict[str, Any]) -> None:
    model, processor = loaded
    inputs = batch_of(processor, conversations())
    assert generated(model, inputs, **options) == generated(model, inputs)


@pytest.mark.parametrize("options", [{"num_beams": 3}, {"num_beams": 3, "repetition_penalty": 1.5}])
def test_beams_in_a_batch_equal_beams_alone(loaded: Any, options: dict[str, Any]) -> None:
    model, processor = loaded
    tokens = generated(model, batch_of(processor, conversations()), **options)
    for row, chat in enumerate(conversations()):
        assert generated(model, batch_of(processor, chat), **options) == [tokens[row]]


def test_return_sequences_are_grouped_by_row(loaded: Any) -> None:
    model, processor = loaded
    chats = conversations()
    tokens = generated(model, batch_of(processor, chats), num_beams=2, num_return_sequences=2)
    alone = [
        sequence
        for chat in chats
        for sequence in generated(
            model, batch_of(processor, chat), num_beams=2, num_return_sequences=2
        )
    ]
    assert tokens == alone


def test_sampling_is_reproducible_and_sees_the_video(loaded: Any) -> None:
    model, processor = loaded
    options = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}
    inputs = batch_of(processor, conversations())
    assert generated(model, inputs, **options) == generated(model, inputs, **options)


def test_penalties_survive_placeholders_outside_the_vocabulary(loaded: Any) -> None:
    model, processor = loaded
    inputs = batch_of(processor, conversations())
    assert int(inputs["input_ids"].max()) >= model.config.text_config.vocab_size
    for options in (
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"encoder_repetition_penalty": 1.3},
    ):
        assert len(generated(model, inputs, **options)) == 4


def test_generation_from_embeddings(loaded: Any) -> None:
    model, processor = loaded
    inputs = dict(batch_of(processor, conversations()))
    expected = generated(model, inputs)
    ids, mask = inputs.pop("input_ids"), inputs.pop("attention_mask")
    embeds = model.embed_inputs(ids, **inputs)
    torch.manual_seed(0)
    tokens = model.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=STEPS,
        min_new_tokens=STEPS,
        do_sample=False,
    )
    assert tokens.tolist() == expected


def test_vision_runs_once_per_generation(loaded: Any) -> None:
    model, processor = loaded
    calls: list[int] = []
    handle = model.model.vision_tower.embeddings.register_forward_hook(
        lambda _m, args, _o: calls.append(len(args[0]))
    )
    generated(model, batch_of(processor, conversations()), num_beams=2)
    handle.remove()
    # Three pictures in one pass, three frames in another; nothing again for beams or later steps.
    assert calls == [3, 3]


def test_many_questions_about_one_video_share_its_vision_pass(loaded: Any) -> None:
    model, processor = loaded
    video = [picture(i) for i in range(3)]
    chats = [user(f"Question {i}?", {"type": "video", "video": video}) for i in range(4)]
    inputs = batch_of(processor, chats)
    assert inputs["pixel_values_videos"].shape[0] == 3
    tokens = generated(model, inputs)
    features = model.encode_frames(inputs["pixel_values_videos"])
    cached = {k: v for k, v in inputs.items() if k != "pixel_values_videos"}
    assert generated(model, {**cached, "video_features": features}) == tokens
    for row, chat in enumerate(chats):
        assert generated(model, batch_of(processor, chat)) == [tokens[row]]


@pytest.mark.parametrize("options", [{}, {"num_beams": 2, "num_return_sequences": 2}])
@pytest.mark.parametrize("slots", [True, False])
def test_visual_tokens_made_once_serve_generation(
    loaded: Any, options: dict[str, Any], slots: bool
) -> None:
    """As a page does that shows where the model looks and then lets it answer, and again."""
    model, processor = loaded
    inputs = dict(batch_of(processor, conversations()))
    expected = generated(model, inputs, **options)
    with torch.no_grad():
        made = {"image": model.get_image_features(**inputs)}
        made["video"] = model.get_video_features(**inputs)
    if not slots:  # the rows are then found by filling the placeholders
        for output in made.values():
            output.rows = None
    calls: list[int] = []
    handle = model.model.qformer.register_forward_hook(lambda *_: calls.append(1))
    text = {k: inputs[k] for k in ("input_ids", "attention_mask")}
    for _ in range(2):
        assert generated(model, {**text, "mm_encoder_outputs": made}, **options) == expected
    handle.remove()
    assert not calls
    with pytest.raises(ValueError, match="give one"):
        model(**inputs, mm_encoder_outputs=made)


def test_the_question_changes_the_context_tokens_only(loaded: Any) -> None:
    model, processor = loaded
    video = [picture(i) for i in range(2)]
    chats = [user(q, {"type": "video", "video": video}) for q in ("who?", "which colour is it?")]
    inputs = batch_of(processor, chats)
    vision = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
    first, second = model.get_video_features(**vision).pooler_output
    assert torch.equal(first[1::2], second[1::2])  # content tokens
    assert (first[0::2] - second[0::2]).abs().max() > 1e-6  # context tokens


def test_multi_turn_and_continued_answers(loaded: Any) -> None:
    model, processor = loaded
    chat = conversations()[1]
    chat += [{"role": "assistant", "content": "It is"}, *user("Why?", {"type": "video"})]
    inputs = batch_of(processor, chat)
    assert inputs["video_slots"].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert len(generated(model, inputs)[0]) == STEPS
    started = [*conversations()[0], {"role": "assistant", "content": "It is"}]
    prefix = processor.apply_chat_template(
        started, tokenize=True, return_dict=True, continue_final_message=True
    )
    text = processor.tokenizer.decode(prefix["input_ids"][0])
    assert text.endswith("<|im_start|>assistant\nIt is")
    assert len(generated(model, prefix)[0]) == STEPS


@pytest.mark.parametrize("kind", ["dynamic", "static"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_second_turn_with_new_media_goes_on_from_the_cache(
    loaded: Any, kind: str, rows: int
) -> None:
    model, processor = loaded
    new = {"type": "image", "image": picture(21)}
    film = {"type": "video", "video": [picture(30), picture(31)]}
    firsts = [user("What is this?", {"type": "image", "image": picture(i)}) for i in range(rows)]
    inputs = batch_of(processor, firsts)
    text = model.config.text_config
    cache = StaticCache(text, max_cache_len=128) if kind == "static" else DynamicCache(config=text)
    with torch.no_grad():
        model(**inputs, past_key_values=cache)
    answer = [{"role": "assistant", "content": [{"type": "text", "text": "It is"}]}]
    chats = [[*chat, *answer, *user("And these two?", new, film)] for chat in firsts]
    whole = batch_of(processor, chats)
    start = inputs["input_ids"].shape[1]
    assert torch.equal(whole["input_ids"][:, :start], inputs["input_ids"])
    options = {"max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False}
    uncached = model.generate(**whole, **options)
    assert torch.equal(model.generate(**whole, **options, past_key_values=cache), uncached)


def test_new_media_alone_go_on_from_a_cache_too(loaded: Any) -> None:
    model, processor = loaded
    chat = user("What is this?", {"type": "image", "image": picture(1)})
    inputs = batch_of(processor, chat)
    cache = DynamicCache(config=model.config.text_config)
    with torch.no_grad():
        model(**inputs, past_key_values=cache)
    second = user("And this?", {"type": "image", "image": picture(2)})
    answer = [{"role": "assistant", "content": [{"type": "text", "text": "It is"}]}]
    whole = batch_of(processor, [*chat, *answer, *second])
    alone = batch_of(processor, second)
    alone = {k: v for k, v in alone.items() if k not in ("input_ids", "attention_mask")}
    options = {"max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False}
    text = {k: whole[k] for k in ("input_ids", "attention_mask")}
    tokens = model.generate(**text, **alone, **options, past_key_values=cache)
    assert torch.equal(tokens, model.generate(**whole, **options))


def test_pipeline_answers_chats_and_plain_prompts(loaded: Any, folder: Path) -> None:
    model, processor = loaded
    pipe = pipeline("image-text-to-text", model=model, processor=processor)
    chat = conversations()[0]
    out = pipe(text=chat, max_new_tokens=4, return_full_text=False)
    inputs = batch_of(processor, chat)
    tokens = model.generate(**inputs, max_new_tokens=4)[0, inputs["input_ids"].shape[1] :]
    assert out[0]["generated_text"] == processor.tokenizer.decode(tokens, skip_special_tokens=True)
    plain = "<|im_start|>user\n<image>\nWhat is this?<|im_end|>\n<|im_start|>assistant\n"
    assert pipe(images=picture(7), text=plain, max_new_tokens=2)[0]["generated_text"]
    from_folder = pipeline("image-text-to-text", model=str(folder), trust_remote_code=True)
    again = from_folder(text=chat, max_new_tokens=4, return_full_text=False)
    assert again[0]["generated_text"] == out[0]["generated_text"]


def test_lora_trains_merges_and_loads_back(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True)
    config = peft.LoraConfig(
        r=4,
        target_modules=r".*\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj)",
        modules_to_save=["mm_projector", "vlm_att_projector", "qformer"],
    )
    wrapped = peft.get_peft_model(model, config)
    wrapped.base_model.model.model.vlm_att_query.requires_grad_(True)
    chat = [*conversations()[1], {"role": "assistant", "content": "Many would like it."}]
    inputs = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    mask = inputs.pop("assistant_masks")
    labels = inputs["input_ids"].masked_fill(mask == 0, -100)
    trainable = [p for p in wrapped.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2)
    wrapped.train()
    assert not wrapped.base_model.model.model.vision_tower.training
    losses = []
    for _ in range(4):
        loss = wrapped(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    wrapped.eval()
    with torch.no_grad():
        trained = wrapped(**inputs).logits
        wrapped.merge_and_unload().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path, trust_remote_code=True).eval()
    with torch.no_grad():
        assert (again(**inputs).logits - trained).abs().max() < 1e-4


def test_decoding_and_prefill_compile_as_one_graph(loaded: Any) -> None:
    """What `_can_compile_fullgraph` claims. `generate` encodes media in front of the compiled code;
    nothing in there may wait for the device: a graph break would be an error here."""
    model, processor = loaded
    inputs = batch_of(processor, conversations())
    text = {k: inputs[k] for k in ("input_ids", "attention_mask")}
    with torch.no_grad():
        made = model.model.encode_media(**{k: v for k, v in inputs.items() if k not in text})
        compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
        for given in (
            {"input_ids": torch.tensor([[5]])},
            {**text, "mm_encoder_outputs": made},
        ):
            expected = model(**given).logits
            assert (compiled(**given).logits - expected).abs().max() < 1e-5


def test_pixels_without_slots_compile_as_one_graph(loaded: Any) -> None:
    """Slots are read on the host: a batch with them is encoded outside (see above)."""
    model, processor = loaded
    for block in ({"type": "image", "image": picture(1)},
                  {"type": "video", "video": [picture(2), picture(3)]}):  # fmt: skip
        inputs = batch_of(processor, user("What is this?", block))
        inputs = {k: v for k, v in inputs.items() if "slots" not in k and k != "media_layout"}
        with torch.no_grad():
            expected = model(**inputs).logits
            compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
            assert (compiled(**inputs).logits - expected).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_placeholder_without_its_medium_is_an_error(loaded: tuple[Any, Any], kind: str) -> None:
    model, processor = loaded
    chats = conversations()
    inputs = batch_of(processor, [chats[0] if kind == "image" else chats[1]])
    for call in (model, model.generate):
        with pytest.raises(ValueError, match=rf"{kind} placeholder tokens but 0 {kind} slots"):
            call(input_ids=inputs["input_ids"])
    both = batch_of(processor, chats[:2])
    gone = {k: v for k, v in both.items() if k not in ("pixel_values", "image_slots")}
    with pytest.raises(ValueError, match="image placeholder tokens but 0 image slots"):
        model(**gone)


@pytest.mark.parametrize("row", [0, 1, 3])
def test_copying_from_the_prompt_gives_the_same_answer(loaded: tuple[Any, Any], row: int) -> None:
    """Speculative decoding that looks its candidates up in the prompt, around the media."""
    model, processor = loaded
    inputs = batch_of(processor, [conversations()[row]])
    plain = generated(model, inputs, max_new_tokens=24)
    assert generated(model, inputs, max_new_tokens=24, prompt_lookup_num_tokens=5) == plain


def test_slots_say_which_row_a_medium_stands_in(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    chats = [conversations()[0], conversations()[3]]
    inputs = batch_of(processor, chats)
    slots = inputs["image_slots"]
    assert slots[:, 0].tolist() == [0, 1, 1]
    with torch.no_grad():
        expected = model(**inputs).logits
        turned = model(**{**inputs, "image_slots": slots[[1, 2, 0]]}).logits
        assert torch.equal(turned, expected)
        for rows, told in (([0, 0, 1], "row 0 has"), ([0, 1, 7], "names row 7")):
            wrong = torch.cat([torch.tensor(rows)[:, None], slots[:, 1:]], 1)
            with pytest.raises(ValueError, match=told):
                model(**{**inputs, "image_slots": wrong})
