"""Any transformers image-text-to-text model can caption: here a tiny LLaVA with random weights."""

import string
from pathlib import Path

import pytest

from builder.help.media_samples import picture
from dataset_builder.annotate.base import MediaView
from dataset_builder.annotate.captioner import Captions
from dataset_builder.settings import load_settings

LIMITS = load_settings("seed", []).media
TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}:"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A LLaVA of 16 dimensions that knows single characters, saved as the Hub would hold it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words = ["<pad>", "<s>", "</s>", "<image>", "<unk>", *string.printable]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    side = {"height": 32, "width": 32}
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side)
    processor = transformers.LlavaProcessor(
        images, fast, patch_size=16, vision_feature_select_strategy="default",
        chat_template=TEMPLATE, num_additional_image_tokens=1,
    )  # fmt: skip
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(image_size=32, patch_size=16, **small, **heads),
        text_config=transformers.LlamaConfig(
            vocab_size=len(words), num_key_value_heads=2, **small, **heads
        ),
        image_token_index=words.index("<image>"),
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llava")
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_every_frame_gets_its_caption(model):
    frames = [picture(at) for at in range(10)]
    views = [
        MediaView(str(n), "video", 1.0, False, Path("x"), lambda n=n: frames[:n], LIMITS)
        for n in (3, 0, 10)
    ]
    found = Captions.load(str(model)).annotate(views)
    assert [len(captions) for captions in found] == [3, 0, 10]
    assert found[0] == found[2][:3]
    assert all(isinstance(text, str) for captions in found for text in captions)
