"""One model with its processor or tokenizer: messages to inputs, labels to token ids, answers."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from trainer.evaluation.protocols.frames import sample_frames
from trainer.evaluation.protocols.packed import full_logprobs, packed_logprobs
from trainer.evaluation.results import digest

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
FRAMES = 8
VISION = ("vision_tower", "vision_model", "visual", "vision_encoder")
AGREE = 1e-3
# said in full: a model folder's own generation settings must not move a measured number
GREEDY = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0}


class AskProblem(ValueError):
    """The model cannot be asked this way."""


def load(name: str, revision: str | None) -> "Asker":
    """Load anything AutoModelForImageTextToText takes, else a plain causal language model."""
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoProcessor,
        AutoTokenizer,
    )

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = "float32" if device.type == "cpu" else "auto"
    common: dict[str, Any] = {"revision": revision, "trust_remote_code": True}
    config = AutoConfig.from_pretrained(name, **common)
    sees = type(config) in AutoModelForImageTextToText._model_mapping or any(
        key == "AutoModelForImageTextToText" for key in getattr(config, "auto_map", {})
    )
    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    # a 4-D mask needs sdpa or eager attention
    model = kind.from_pretrained(name, dtype=dtype, **common).to(device).eval()
    front = (AutoProcessor if sees else AutoTokenizer).from_pretrained(name, **common)
    return Asker(model, front, sees)


class Asker:
    """What `generate` asks. sees: the model takes pictures; else only text conditions work."""

    def __init__(self, model: Any, front: Any, sees: bool) -> None:
        self.model, self.front, self.sees = model, front, sees
        self.tokenizer = getattr(front, "tokenizer", front)
        self.template = getattr(front, "chat_template", None) or self.tokenizer.chat_template
        self._packs: bool | None = None

    # -- prompts --------------------------------------------------------------------------------

    def messages(self, question: str, media: Path | None) -> list[dict[str, Any]]:
        """One user turn: text, then the media, as in training."""
        parts: list[dict[str, Any]] = [{"type": "text", "text": question}]
        return [{"role": "user", "content": parts + self._media_parts(media)}]

    def _media_parts(self, media: Path | None) -> list[dict[str, Any]]:
        if media is None:
            return []
        if not self.sees:
            raise AskProblem(
                "this model takes no pictures: ask it with --condition verbalization or story"
            )
        if media.suffix.lower() in PICTURES:
            from PIL import Image

            return [{"type": "image", "image": Image.open(media).convert("RGB")}]
        # ours samples frames itself; a stock processor gets them as pictures
        if hasattr(self.front, "video_fps"):
            return [{"type": "video", "video": str(media)}]
        return [{"type": "image", "image": frame} for frame in sample_frames(media, FRAMES)]

    def inputs(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Inputs of one conversation that waits for an answer, batch of one."""
        if not self.template:
            text = _plain(messages) + "\nAnswer:"
            batch = self.tokenizer(text, return_tensors="pt")
        else:
            batch = self.front.apply_chat_template(
                messages if self.sees else _text_messages(messages),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        return {name: _to(value, self.model.device) for name, value in batch.items()}

    # -- labels ---------------------------------------------------------------------------------

    def label_ids(self, labels: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Token ids of each label in the context of an answer, and of the end of a turn.

        Taken from whole conversations, because a word after a space, a line break or a marker is
        not the same tokens; AskProblem where the prompt's ids do not stay a prefix.
        """
        if not self.template:
            start = self._ids("x\nAnswer:")
            ids = [self._after(start, self._ids(f"x\nAnswer: {label}"), label) for label in labels]
            return ids, [self.tokenizer.eos_token_id]
        start = self._conversation(None, False)
        ids, ends = [], []
        for label in labels:
            open_ids = self._conversation(label, True)
            closed = self._conversation(label, False)
            ids.append(self._after(start, open_ids, label))
            ends.append(closed[len(open_ids) :] if closed[: len(open_ids)] == open_ids else [])
        end = ends[0][:1] if ends and all(e[:1] == ends[0][:1] for e in ends) else []
        return ids, end or [self.tokenizer.eos_token_id]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text)["input_ids"])

    def _conversation(self, answer: str | None, unfinished: bool) -> list[int]:
        content: Any = [{"type": "text", "text": "x"}] if self.sees else "x"
        messages = [{"role": "user", "content": content}]
        if answer is not None:
            reply: Any = [{"type": "text", "text": answer}] if self.sees else answer
            messages.append({"role": "assistant", "content": reply})
        batch = self.front.apply_chat_template(
            messages,
            add_generation_prompt=answer is None,
            continue_final_message=unfinished,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        return list(batch["input_ids"][0].tolist())

    @staticmethod
    def _after(start: list[int], whole: list[int], label: str) -> list[int]:
        if whole[: len(start)] != start or len(whole) == len(start):
            raise AskProblem(
                f"label {label!r}: the prompt's {len(start)} tokens do not stay a prefix when it "
                f"follows ({whole[len(start) - 2 : len(start) + 2]} there): its probability after "
                "this prompt is not defined; change the chat template's generation prompt"
            )
        return whole[len(start) :]

    def logprobs(
        self, inputs: dict[str, Any], labels: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """Token log-probabilities of labels; packed where one trial equals full forwards."""
        if self._packs is None:
            self._packs = self._try_packing(inputs, labels[:3])
        if self._packs:
            return packed_logprobs(self.model, inputs, labels)[0]
        return full_logprobs(self.model, inputs, labels)

    def _try_packing(self, inputs: dict[str, Any], labels: Sequence[Sequence[int]]) -> bool:
        expected = full_logprobs(self.model, inputs, labels)
        try:
            found, _ = packed_logprobs(self.model, inputs, labels)
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return False
        pairs = zip(expected, found, strict=True)
        worst = max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True))
        loose = AGREE if self.model.dtype == torch.float32 else 0.1
        return worst <= loose

    # -- answers --------------------------------------------------------------------------------

    @torch.inference_mode()
    def answer(self, inputs: dict[str, Any], max_new_tokens: int) -> str:
        """The greedy answer."""
        written = self.model.generate(**inputs, **GREEDY, max_new_tokens=max_new_tokens)
        new = written[0, inputs["input_ids"].shape[1] :]
        return str(self.tokenizer.decode(new, skip_special_tokens=True)).strip()

    @contextlib.contextmanager
    def one_vision_pass(self) -> Iterator[None]:
        """Inside: the vision tower runs once per distinct pixels, whatever the questions."""
        owner, name = self._encoder()
        if owner is None:
            yield
            return
        forward = getattr(owner, name)
        kept: dict[str, Any] = {}

        def once(pixels: Any = None, *args: Any, **options: Any) -> Any:
            key = _key(options.get("pixel_values", pixels), args, options)
            if key is None or key not in kept:
                made = forward(*(() if pixels is None else (pixels,)), *args, **options)
                if key is None:
                    return made
                kept.clear()  # one media item at a time: its features, never all
                kept[key] = made
            return kept[key]

        setattr(owner, name, once)
        try:
            yield
        finally:
            delattr(owner, name)

    def _encoder(self) -> tuple[Any, str]:
        """What turns pixels into features: our model's method, else a vision tower's forward."""
        inner = self.model.base_model
        if hasattr(inner, "encode_frames"):
            return inner, "encode_frames"
        for name, module in self.model.named_modules():
            if name.rsplit(".", 1)[-1] in VISION:
                return module, "forward"
        return None, ""


def _key(pixels: Any, args: Any, options: dict[str, Any]) -> str | None:
    if not isinstance(pixels, torch.Tensor):
        return None
    plain = {k: v for k, v in options.items() if not isinstance(v, torch.Tensor)}
    data = pixels.detach().float().cpu().numpy().tobytes()
    return digest(hashlib.sha256(data).hexdigest(), str(pixels.shape), repr((args, plain)))


def _to(value: Any, device: Any) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else value


def _plain(messages: list[dict[str, Any]]) -> str:
    return "\n".join(part["text"] for m in messages for part in m["content"])


def _text_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": m["role"], "content": _plain([m])} for m in messages]
