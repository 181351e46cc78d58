"""Load a model as a stranger would, and let it answer once.

stdin: {"target", "revision"}; stdout: {"tensors": digest, "answer", "classes", "seconds"}.
"""

import hashlib
import json
import sys
import time
from typing import Any

QUESTION = "What would be the top-5 popular comments on this image?"
TOKENS = 16


class NoKit:
    """The kit is not importable here."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] in {
            "dataset_builder",
            "trainer",
            "release",
            "model_card",
            "space",
            "demo",
        }:
            raise ImportError(f"{name} is not for loading a release")


def tensors(model: Any) -> str:
    """Digest over names and values of all weights, in one order."""
    import torch

    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(
            tensor.detach().contiguous().cpu().view(-1).view(torch.uint8).numpy().tobytes()
        )
    return found.hexdigest()


def picture() -> Any:
    """The same small picture everywhere."""
    from PIL import Image

    made = Image.new("RGB", (64, 64))
    made.putdata(
        [((x * 4) % 256, (y * 4) % 256, (x * y) % 256) for y in range(64) for x in range(64)]
    )
    return made


def main() -> None:
    """Print what was loaded and answered."""
    task = json.load(sys.stdin)
    sys.meta_path.insert(0, NoKit())  # type: ignore[arg-type]
    import torch
    from transformers import AutoConfig, AutoModel, AutoProcessor, pipeline

    started = time.monotonic()
    options = {"trust_remote_code": True}
    if task["revision"]:
        options["revision"] = task["revision"]
    config = AutoConfig.from_pretrained(task["target"], **options)
    processor = AutoProcessor.from_pretrained(task["target"], **options)
    model = AutoModel.from_pretrained(task["target"], **options).eval()
    content = [{"type": "text", "text": QUESTION}, {"type": "image", "image": picture()}]
    batch = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True,
        return_dict=True, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        out = model.generate(**batch, max_new_tokens=TOKENS, do_sample=False)
    piped = pipeline("image-text-to-text", model=model, processor=processor)
    messages = [{"role": "user", "content": content}]
    through = piped(text=messages, max_new_tokens=TOKENS, return_full_text=False)
    said = processor.decode(out[0, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    print(json.dumps({
        "tensors": tensors(model), "answer": said, "pipeline": through[0]["generated_text"],
        "seconds": round(time.monotonic() - started, 1),
        "classes": [type(config).__name__, type(processor).__name__, type(model).__name__],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
