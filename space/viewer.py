"""Models as this Space uses them: loaded once, pictures encoded once, answers token by token.

Everything goes through AutoModel, AutoProcessor and the folder. Decoding is a loop of our own over
the library's logits processors, because a visitor may stop it between two tokens, two requests must
not share a random state, and the chances of answers are read from the same prefill.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import torch
from intake import MAX_FRAMES, Media, Shelf
from PIL import Image
from questions import SYSTEM
from record import Record, read_record
from transformers import (
    AutoModel,
    AutoProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

try:
    import spaces  # ZeroGPU: a GPU is lent to the functions that ask for one
except ImportError:
    spaces = None

ROWS = 16  # candidates weighed in one pass
MAX_ANSWER_SECONDS = 90
Work = TypeVar("Work", bound=Callable[..., Any])
FEATURES: Shelf[torch.Tensor] = Shelf(512 * 2**20, lambda t: t.numel() * t.element_size())


@dataclass(frozen=True)
class Viewer:
    """A loaded model with its processor. name: what the page calls it; source, revision: whence."""

    network: Any
    processor: Any
    name: str
    source: str
    revision: str | None
    record: Record

    @property
    def side(self) -> int:
        """Pixels of the square that the model sees."""
        size = self.processor.image_processor.crop_size
        return int(size if isinstance(size, int) else size["height"])


@dataclass(frozen=True)
class Ask:
    """One question. said: earlier (question, answer) pairs; candidates: answers to weigh, as a
    `whole` or up to where all of them go on alike; lines: stop after that many; temperature 0: the
    likeliest token, always."""

    question: str
    tokens: int = 0
    said: tuple[tuple[str, str], ...] = ()
    candidates: tuple[str, ...] = ()
    whole: bool = True
    temperature: float = 0.0
    seed: int = 0
    lines: int = 0


@dataclass
class Reply:
    """What came back so far; finished: False where tokens or time ran out. shares: probability of
    each candidate among them. heat: [frames, rows, columns], where the question looked."""

    text: str = ""
    finished: bool = False
    shares: list[float] = field(default_factory=list)
    heat: Any = None


VIEWERS: dict[str, Viewer] = {}
BLANK = Image.new("RGB", (8, 8))


def on_gpu(work: Work) -> Work:
    """The function itself, or, on ZeroGPU, one that is lent a GPU for up to two minutes."""
    return spaces.GPU(duration=120)(work) if spaces else work


def load(name: str, source: str, revision: str | None) -> Viewer:
    """Load model and processor from a folder or the Hub, on a GPU where there is one; keep them."""
    options = {"trust_remote_code": True, "revision": revision}
    lent = spaces is not None and getattr(spaces.config.Config, "zero_gpu", False)
    device = "cuda" if torch.cuda.is_available() or lent else "cpu"
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    network = AutoModel.from_pretrained(source, dtype=dtype, **options).eval().to(device)
    processor = AutoProcessor.from_pretrained(source, **options)
    parameters = sum(p.numel() for p in network.parameters())
    record = read_record(source, revision, parameters)
    name = name or (Path(source).name if Path(source).is_dir() else source)
    VIEWERS[name] = Viewer(network, processor, name, source, revision, record)
    return VIEWERS[name]


def answers(name: str, media: Media, asks: Sequence[Ask]) -> Iterator[tuple[int, Reply]]:
    """(number of the question, its reply so far), as they come; the media is encoded once per model
    and kept. Raises nothing of its own; closing it ends the work."""
    key = (name, media.digest)
    known = FEATURES.get(key)
    for number, found in work(name, media.kind, list(media.frames), known, list(asks)):
        if number < 0:
            FEATURES.put(key, found)
        else:
            yield number, found


@on_gpu
def work(
    name: str, kind: str, frames: list[Any], features: torch.Tensor | None, asks: list[Ask]
) -> Iterator[tuple[int, Any]]:
    """The part that needs the device: (-1, features) where they were made, then the replies."""
    viewer = VIEWERS[name]
    limit = time.monotonic() + MAX_ANSWER_SECONDS
    for number, ask in enumerate(asks):
        batch = prompt(viewer, kind, frames if features is None else features, ask)
        if features is None:
            features = encode(viewer, kind, batch)
            yield -1, features.cpu() if spaces else features
        inputs, heat = guided(viewer, kind, batch, features)
        reply = Reply(heat=heat)
        logits, cache = step(viewer, **inputs)
        if ask.candidates:
            reply.shares = weigh(viewer, logits, cache, ask)
            reply.finished = True
            yield number, copy.copy(reply)
        if ask.tokens:
            for text, finished in written(viewer, logits, cache, ask, limit):
                reply.text, reply.finished = text, finished
                yield number, copy.copy(reply)


def prompt(viewer: Viewer, kind: str, shown: Any, ask: Ask) -> dict[str, Any]:
    """The batch of one conversation. shown: frames, or features that were made before. The media
    stands in the first turn; the Q-Former is guided by the question that is asked now, as
    LLaMA-VID does in a dialogue."""
    first, *later = [*(question for question, _ in ask.said), ask.question]
    payload = shown[0] if kind == "image" and isinstance(shown, list) else shown
    if kind == "image" and isinstance(shown, torch.Tensor):
        payload = BLANK  # its pixels are not used: only the text around it is wanted
    content = [{"type": "text", "text": first}, {"type": kind, kind: payload}]
    messages = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
        {"role": "user", "content": content},
    ]
    for (_, answer), question in zip(ask.said, later, strict=True):
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        messages.append({"role": "user", "content": [{"type": "text", "text": question}]})
    processor = viewer.processor
    batch = processor.apply_chat_template(
        [messages],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        max_frames=min(MAX_FRAMES, processor.max_frames or MAX_FRAMES),
    )
    if ask.said:
        guide = processor.qformer_tokenizer([ask.question], return_tensors="pt", truncation=True)
        batch["qformer_input_ids"] = guide["input_ids"]
        batch["qformer_attention_mask"] = guide["attention_mask"]
    return dict(batch.to(viewer.network.device))


@torch.inference_mode()
def encode(viewer: Viewer, kind: str, batch: dict[str, Any]) -> torch.Tensor:
    """Tower tokens [frames, patches, channels] of the batch's pixels."""
    name = "pixel_values" if kind == "image" else "pixel_values_videos"
    features: torch.Tensor = viewer.network.encode_frames(batch[name])
    return features


@torch.inference_mode()
def guided(
    viewer: Viewer, kind: str, batch: dict[str, Any], features: torch.Tensor
) -> tuple[dict[str, Any], Any]:
    """Inputs of the prefill with the media's tokens in place of pixels, and where they looked.

    The one place that knows how the model takes tokens and publishes its attention: a model whose
    code publishes none gets its features, and None stands for the map.
    """
    pixels = {"pixel_values", "pixel_values_videos", "image_features", "video_features"}
    inputs = {key: value for key, value in batch.items() if key not in pixels}
    features = features.to(viewer.network.device)
    given = {f"{kind}_features": features}
    get = (
        viewer.network.get_image_features if kind == "image" else viewer.network.get_video_features
    )
    seen = get(**inputs, **given)
    maps = getattr(seen, "context_attentions", None)
    if maps is None:
        return {**inputs, **given}, None
    side = round(maps[0].shape[1] ** 0.5)
    kept = {k: v for k, v in inputs.items() if k in ("input_ids", "attention_mask")}
    square = side * side == maps[0].shape[1]
    heat = maps[0].float().unflatten(1, (side, side)).cpu().numpy() if square else None
    return {**kept, "mm_encoder_outputs": {kind: seen}}, heat


@torch.inference_mode()
def step(viewer: Viewer, **inputs: Any) -> tuple[torch.Tensor, Any]:
    """Logits [rows, tokens kept, vocabulary] and the cache after them."""
    keep = inputs.pop("logits_to_keep", 1)
    out = viewer.network(**inputs, use_cache=True, logits_to_keep=keep)
    return out.logits.float(), out.past_key_values


def written(
    viewer: Viewer, logits: torch.Tensor, cache: Any, ask: Ask, limit: float
) -> Iterator[tuple[str, bool]]:
    """(text so far, whether it came to its end) after every token.

    logits [1, 1, V], cache: of the prompt; the cache is used up.
    """
    choose = warpers(ask.temperature)
    dice = torch.Generator().manual_seed(ask.seed)
    ends = viewer.network.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    decode = viewer.processor.tokenizer.decode
    ids: list[int] = []
    text, finished = "", False
    while len(ids) < ask.tokens and time.monotonic() < limit and not finished:
        ids.append(pick(logits, ids, choose, dice if ask.temperature else None))
        finished = ids[-1] in ends
        text = decode(ids, skip_special_tokens=True).lstrip().rstrip("\ufffd")
        if ask.lines and len(lines := text.split("\n")) > ask.lines:
            text, finished = "\n".join(lines[: ask.lines]), True
        yield text.rstrip() if finished else text, finished
        if not finished:
            last = torch.tensor([ids[-1:]], device=logits.device)
            logits, cache = step(viewer, input_ids=last, past_key_values=cache)


def warpers(temperature: float) -> LogitsProcessorList:
    """Temperature and the likeliest 90 % where a token is drawn; else a penalty on repeating."""
    if temperature:
        return LogitsProcessorList([TemperatureLogitsWarper(temperature), TopPLogitsWarper(0.9)])
    return LogitsProcessorList([RepetitionPenaltyLogitsProcessor(1.1)])


@torch.inference_mode()
def pick(logits: torch.Tensor, ids: list[int], choose: LogitsProcessorList, dice: Any) -> int:
    """The next token's id: drawn with the dice, or the likeliest without. Only what was answered
    counts as a repetition, not the words of the question."""
    scores = choose(torch.tensor([ids], dtype=torch.long), logits[:, -1].cpu())
    if dice is None:
        return int(scores[0].argmax())
    return int(torch.multinomial(scores[0].softmax(-1), 1, generator=dice))


@lru_cache(maxsize=64)
def answer_ids(name: str, texts: tuple[str, ...], whole: bool) -> list[list[int]]:
    """Token ids of answers as training writes them. whole: the end of the turn counts too; else
    what all of them end with is left away, but for its first token, which ends the number."""
    talks = [
        [
            {"role": "user", "content": [{"type": "text", "text": "?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]
        for text in texts
    ]
    batch = VIEWERS[name].processor.apply_chat_template(
        talks, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    pairs = zip(batch["input_ids"].tolist(), batch["assistant_masks"].tolist(), strict=True)
    rows = [[i for i, kept in zip(ids, mask, strict=True) if kept] for ids, mask in pairs]
    if not whole:
        ends = shared([row[::-1] for row in rows])
        rows = [row[: len(row) - max(0, ends - 1)] for row in rows]
    return rows


def shared(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    same = takewhile(lambda at: len(set(at)) == 1, zip(*rows, strict=False))
    return sum(1 for _ in same)


@torch.inference_mode()
def weigh(viewer: Viewer, logits: torch.Tensor, cache: Any, ask: Ask) -> list[float]:
    """Probability of each candidate among the candidates.

    logits, cache: of the prompt; the cache is left as it was. Adds the log-probabilities of all
    tokens, so that labels which begin alike, or of which one begins another, are told apart; what
    all of them begin with is read once.
    """
    rows = answer_ids(viewer.name, ask.candidates, ask.whole)
    start = min(shared(rows), min(map(len, rows)) - 1)
    cache = copy.deepcopy(cache)
    if start:
        ids = torch.tensor([rows[0][:start]], device=logits.device)
        logits, cache = step(viewer, input_ids=ids, past_key_values=cache)
    first = logits[0, -1].log_softmax(-1)
    rows = [row[start:] for row in rows]
    totals: list[torch.Tensor] = []
    for at in range(0, len(rows), ROWS):
        part = rows[at : at + ROWS]
        longest = max(map(len, part))
        ids = torch.tensor([row + [row[-1]] * (longest - len(row)) for row in part])
        ids = ids.to(logits.device)
        total = first[ids[:, 0]]
        if longest > 1:
            wide = copy.deepcopy(cache)
            wide.batch_repeat_interleave(len(part))
            after, _ = step(
                viewer, input_ids=ids[:, :-1], past_key_values=wide, logits_to_keep=longest - 1
            )
            chances = after.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
            real = torch.arange(1, longest, device=ids.device) < torch.tensor(
                [[len(row)] for row in part], device=ids.device
            )
            total = total + (chances * real).sum(1)
        totals.append(total.double())
    shares: list[float] = torch.cat(totals).softmax(0).tolist()
    return shares
