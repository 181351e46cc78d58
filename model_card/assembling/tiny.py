"""A random LlavaVid of a few MB with tokenizers made on the spot, for tests and a quick look."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from .parts import Parts, add_placeholders, clip_image_processor, template_for

IMAGE_SIZE, PATCH = 56, 14
CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# Enough English for a small vocabulary; frequent words of questions about videos become one token.
SAMPLE = """What percentage of viewers would like this video, and what would be the top comments on
this video? The video will be liked by many viewers. Analyze this video deeply, then write a scene
by scene description of the video and answer the following questions. The scene by scene
descriptions are: a man and a woman stand in a green field under a blue sky and talk about the new
car, the dog runs along the beach, people laugh and dance at a party at night. This image shows the
old house near the river. The comments on this image are funny, kind, angry and short. I love this
song so much, it made my day. Who else is here because of the game? First comment of the year. The
background colors are black, white, red, yellow, orange, purple and brown, and the tone is happy."""


def language_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the ChatML marks; it can spell any text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=510,
        special_tokens=CHATML_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([SAMPLE], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        padding_side="left",
    )
    add_placeholders(fast)
    return fast


def qformer_tokenizer() -> BertTokenizer:
    """A lower-casing WordPiece tokenizer over characters and the sample's words."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = sorted({word for word in SAMPLE.lower().split() if word.isalpha() and len(word) > 1})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    vocabulary += [f"##{letter}" for letter in letters] + words
    return BertTokenizer(
        vocab={word: index for index, word in enumerate(vocabulary)},
        do_lower_case=True,
        model_max_length=512,
    )


def tiny_parts() -> Parts:
    """Random parts: 2-layer ViT (16 patches), 2-layer Q-Former, 2-layer Llama."""
    tokenizer, prompts = language_tokenizer(), qformer_tokenizer()
    return Parts(
        vision_config=InstructBlipVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=IMAGE_SIZE,
            patch_size=PATCH,
            initializer_range=0.2,  # the default, 1e-10, would make every picture look the same
        ),
        qformer_config=InstructBlipQFormerConfig(
            vocab_size=len(prompts),
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            encoder_hidden_size=64,
            initializer_range=0.1,
        ),
        text_config=LlamaConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=8192,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_processor=clip_image_processor(IMAGE_SIZE),
        tokenizer=tokenizer,
        qformer_tokenizer=prompts,
        chat_template=template_for(tokenizer),
        config={"num_query_tokens": 8, "max_frames": 8, "initializer_range": 0.1},
    )


__all__ = ["tiny_parts"]
