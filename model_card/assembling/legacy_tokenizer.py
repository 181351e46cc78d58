"""Llama's legacy tokenisation, chunk by chunk, as a fast tokenizer.

The slow tokenizer of the time put a dummy "▁" in front of every chunk between special tokens, also
in front of one that begins with a space. The library's Llama tokenizer no longer does; a Prepend
and a Replace normaliser without pre-tokenizer give the same ids again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

SPACE = "▁"
PROBES = ("USER: What is it?", " ASSISTANT:", "\nTwo  spaces", "naïve 日本 <0x0A> </s>x", "a")


def bpe_merges(scores: Mapping[str, float], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """Merge rules of a SentencePiece BPE model: every split of a piece into two pieces, best score
    first. scores holds normal pieces only: control and byte pieces never come out of plain text."""
    rules = []
    for piece, score in scores.items():
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        splits = [(left, right) for left, right in splits if left in scores and right in scores]
        splits.sort(key=lambda pair: (ids[pair[0]], ids[pair[1]]))
        rules += [(left, right, score) for left, right in splits]
    rules.sort(key=lambda rule: (rule[2], len(rule[0]), len(rule[1])), reverse=True)
    return [(left, right) for left, right, _ in rules]


def legacy_llama_tokenizer(path: Path, pad_token: str = "<unk>") -> Any:
    """A fast tokenizer from `tokenizer.model`, equal to the slow legacy one on every chunk.

    Raises ModuleNotFoundError without the sentencepiece package, ValueError where the model is not
    a BPE model of Llama's kind (checked on probe strings).
    """
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise ModuleNotFoundError(
            "the package 'sentencepiece' is not installed: expected it to read tokenizer.model; "
            "run `pip install sentencepiece`"
        ) from error
    source = SentencePieceProcessor(model_file=str(path))
    tokenizer = _rebuilt(source)
    _check(tokenizer, source, path)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=source.id_to_piece(source.bos_id()),
        eos_token=source.id_to_piece(source.eos_id()),
        unk_token="<unk>",
        pad_token=pad_token,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _rebuilt(source: Any) -> Tokenizer:
    ids = {source.id_to_piece(i): i for i in range(source.vocab_size())}
    special = [i for i in ids.values() if source.is_control(i) or source.is_unknown(i)]
    scores = {
        piece: source.get_score(i)
        for piece, i in ids.items()
        if i not in special and not source.is_byte(i) and not source.is_unused(i)
    }
    tokenizer = Tokenizer(
        models.BPE(
            ids, bpe_merges(scores, ids), unk_token="<unk>", fuse_unk=True, byte_fallback=True
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(
        [AddedToken(source.id_to_piece(i), special=True, normalized=False) for i in special]
    )
    bos = source.id_to_piece(source.bos_id())
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, source.bos_id())]
    )
    return tokenizer


def _check(tokenizer: Tokenizer, source: Any, path: Path) -> None:
    tokenizer.encode_special_tokens = True
    for probe in PROBES:
        ours, theirs = tokenizer.encode(probe, add_special_tokens=False).ids, source.encode(probe)
        if ours != theirs:
            raise ValueError(
                f"{path} tokenises {probe!r} as {theirs}, the rebuilt tokenizer as {ours}: "
                "expected a SentencePiece BPE model like Llama's (dummy prefix, no normalisation)"
            )
    tokenizer.encode_special_tokens = False


__all__ = ["bpe_merges", "legacy_llama_tokenizer"]
