"""Ask a model to complete comments: does it know them by heart?

stdin: {"model", "asked": {split: [[first half, second half]]}}; stdout: {"splits": {split: …}}.
"""

import json
import sys
from typing import Any

QUESTION = "What would be the top-5 popular comments on this video?"
WORDS = 4  # of the second half that must come next, in order, to count as known


def main() -> None:
    """Greedy completion of every first half; print how many go on as the comment does."""
    task = json.load(sys.stdin)
    import torch
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(task["model"], trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(task["model"], trust_remote_code=True)
    tokenizer = processor.tokenizer
    found: dict[str, Any] = {}
    for split, pairs in task["asked"].items():
        completed = 0
        for first, second in pairs:
            prompt = processor.apply_chat_template(
                [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
                add_generation_prompt=True, tokenize=True, return_dict=True,
            )  # fmt: skip
            begun = tokenizer(f"1. {first}", add_special_tokens=False, return_tensors="pt")[
                "input_ids"
            ]
            ids = torch.cat([prompt["input_ids"], begun], dim=1)
            with torch.no_grad():
                out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids),
                                     max_new_tokens=24, do_sample=False)  # fmt: skip
            said = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).split()
            completed += said[:WORDS] == second.split()[:WORDS]
        found[split] = {"asked": len(pairs), "completed": completed}
    print(json.dumps({"splits": found}))


if __name__ == "__main__":
    main()
