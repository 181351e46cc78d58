"""Called as inference engines and the library's any-to-any pipeline call it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMultimodalLM, AutoProcessor, pipeline
from transformers.pipelines import any_to_any

from model.conversations import picture


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> tuple[Any, Any]:
    model = AutoModelForMultimodalLM.from_pretrained(tiny_folder, trust_remote_code=True)
    return model.eval(), AutoProcessor.from_pretrained(tiny_folder, trust_remote_code=True)


def test_token_counts_equal_what_the_processor_writes(loaded: tuple[Any, Any]) -> None:
    _, processor = loaded
    assert processor.image_token_ids == [processor.image_token_id]
    counted = processor._get_num_multimodal_tokens(
        image_sizes=[(60, 80), (10_000, 10_000)], video_sizes=[(3, 60, 80), (20, 60, 80)]
    )
    assert counted["num_image_tokens"] == [2, 2]
    assert counted["num_image_patches"] == [1, 1]
    frames = [[picture(i) for i in range(count)] for count in (3, 20)]
    batch = processor(text="<video>|<video>", videos=frames)
    assert counted["num_video_tokens"] == (2 * batch["video_num_frames"]).tolist() == [6, 16]
    kinds = processor(
        text="a <image> b <video> c",
        images=[picture(0)],
        videos=[frames[0]],
        return_mm_token_type_ids=True,
    )
    found = kinds["mm_token_type_ids"][0]
    assert found.tolist() == [
        {processor.image_token_id: 1, processor.video_token_id: 2}.get(i, 0)
        for i in kinds["input_ids"][0].tolist()
    ]


def media_of(processor: Any, images: list[Any], **options: Any) -> dict[str, Any]:
    """As vLLM's back end processes a request's media: a text of bare placeholders."""
    return processor(
        text="<image>" * len(images),
        images=images,
        return_text_replacement_offsets=True,
        return_tensors="pt",
        truncation=False,
        add_special_tokens=False,
        **options,
    )


def test_items_of_two_requests_can_be_cut_and_joined(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    shared = picture(1)
    first = media_of(processor, [shared, picture(2)], prompts=["What is it?", "And this, please?"])
    second = media_of(processor, [shared, shared], prompts=["A quite different question?", "Why?"])
    items = []
    for request in (first, second):
        offsets = request.pop("text_replacement_offsets")
        (entries,) = offsets
        assert [e["replacement"] for e in entries] == ["<image><image>"] * 2
        assert [e["span"] for e in entries] == [(0, 7), (7, 14)]
        ids = processor.tokenizer(entries[0]["replacement"], add_special_tokens=False)["input_ids"]
        assert ids == [processor.image_token_id] * 2
        fields = {k: v for k, v in request.items() if k not in ("input_ids", "attention_mask")}
        assert {len(value) for value in fields.values()} == {2}
        items += [{k: v[i : i + 1] for k, v in fields.items()} for i in range(2)]
    picked = [items[3], items[0], items[2]]
    joined = {k: torch.cat([item[k] for item in picked]) for k in picked[0]}
    with torch.no_grad():
        tokens = model.get_image_features(joined.pop("pixel_values"), **joined).pooler_output
        listed = {k: [item[k][0] for item in picked] for k in picked[0]}
        pixels = torch.stack(listed.pop("pixel_values"))
        again = model.get_image_features(pixels, **listed).pooler_output
        for part, other, (image, question) in zip(
            tokens, again, [(shared, "Why?"), (shared, "What is it?"),
                            (shared, "A quite different question?")], strict=True,
        ):  # fmt: skip
            chat = [{"type": "image", "image": image}, {"type": "text", "text": question}]
            batch = processor.apply_chat_template(
                [{"role": "user", "content": chat}], tokenize=True, return_dict=True
            )
            (expected,) = model.get_image_features(**batch).pooler_output
            assert torch.allclose(part, expected, atol=1e-4)
            assert torch.allclose(other, expected, atol=1e-4)


def test_the_encoder_and_the_decoder_are_found(loaded: tuple[Any, Any]) -> None:
    model, _ = loaded
    assert model.get_encoder(modality="image") is model.model.vision_tower
    assert model.get_encoder(modality="video") is model.model.vision_tower
    assert model.get_decoder() is model.model.language_model


def test_sglangs_call(loaded: tuple[Any, Any]) -> None:
    _, processor = loaded
    batch = processor(text=["<image>What?"], images=[picture(1)], padding=True, return_tensors="pt")
    assert (batch["input_ids"] == processor.image_token_id).sum() == 2


def test_any_to_any_takes_pictures_and_videos(
    tiny_folder: Path, loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline insists on torchvision, which is not everywhere, and uses nothing of it here."""
    monkeypatch.setattr(any_to_any, "requires_backends", lambda *_: None)
    model, processor = loaded
    pipe = pipeline("any-to-any", model=str(tiny_folder), trust_remote_code=True)
    assert type(pipe.model).__name__ == "LlavaVidForConditionalGeneration"
    options = {"generate_kwargs": {"max_new_tokens": 5, "do_sample": False}}
    options |= {"return_full_text": False, "generation_mode": "text"}
    chats = []
    for block in ({"type": "image", "image": picture(1)},
                  {"type": "video", "video": [picture(2), picture(3)]}):  # fmt: skip
        chats.append([{"role": "user", "content": [block, {"type": "text", "text": "What?"}]}])
    told = [pipe(text=chat, **options)[0]["generated_text"] for chat in chats]
    for chat, answer in zip(chats, told, strict=True):
        batch = processor.apply_chat_template(
            chat, tokenize=True, return_dict=True, add_generation_prompt=True
        )
        ids = model.generate(**batch, max_new_tokens=5, do_sample=False)
        ids = ids[0, batch["input_ids"].shape[1] :]
        assert answer == processor.decode(ids, skip_special_tokens=True)
    plain = pipe(text="<|im_start|>user\n<image>\nWhat?<|im_end|>", images=[picture(1)], **options)
    assert plain[0]["generated_text"] is not None
