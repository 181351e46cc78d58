"""The two tokenizers of the processor: what each must know, how the second is found again."""

import json
from pathlib import Path
from typing import Any

FOLDER = "qformer_tokenizer"


def placeholder_id(tokenizer: Any, token: str) -> int:
    """Id of a media placeholder. Raises ValueError where the tokenizer does not know it."""
    index = tokenizer.convert_tokens_to_ids(token)
    if index is None or index == tokenizer.unk_token_id:
        raise ValueError(
            f"the tokenizer does not know the placeholder {token!r}: add it with "
            "tokenizer.add_special_tokens({'additional_special_tokens': […]})"
        )
    return int(index)


def check_tokenizers(tokenizer: Any, qformer_tokenizer: Any) -> None:
    """Raises ValueError where the Q-Former would be given the language model's token ids.

    The library falls back to the main tokenizer where it cannot read the second one's folder.
    """
    same = qformer_tokenizer.vocab_size == tokenizer.vocab_size
    if same and qformer_tokenizer.get_vocab() == tokenizer.get_vocab():
        raise ValueError(
            f"qformer_tokenizer has the vocabulary of the language model's tokenizer: expected the "
            f"Q-Former's own (a BERT vocabulary); is the folder {FOLDER} complete?"
        )


def mark_tokenizer_folder(folder: Any) -> None:
    """Writes the Q-Former tokenizer's config.json: without one, a copy in an offline cache cannot
    be told from a missing one, and the library would silently take the main tokenizer."""
    inside = Path(folder) / FOLDER
    if inside.is_dir():
        text = json.dumps({"model_type": "bert"}, indent=2) + "\n"
        (inside / "config.json").write_text(text, encoding="utf-8")


__all__ = ["check_tokenizers", "mark_tokenizer_folder", "placeholder_id"]
