"""Render chat templates with a limit of time and length each.

stdin: {"templates": {name: text}, "seconds", "characters"}; stdout: {"problems": {name: why}}.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY = 1 << 30  # bytes a template may take beside what the libraries hold
VIDEO = [{"type": "text", "text": "What would people say?"}, {"type": "video"}]
PICTURE = [{"type": "image"}, {"type": "text", "text": "Who is this {{ x }} <image>?"}]
SYSTEM = [{"type": "text", "text": "You are an assistant."}]
CONVERSATIONS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Hello"}],
    [{"role": "user", "content": VIDEO}],
    [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PICTURE},
     {"role": "assistant", "content": [{"type": "text", "text": "1. Nice"}]},
     {"role": "user", "content": "And now?"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 20,
]  # fmt: skip


def render_one(text: str, characters: int) -> str | None:
    """What is wrong with a template; None when at least one conversation renders well."""
    from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        template = _compile_jinja_template(text)
    except TemplateSyntaxError as error:
        return f"is no template ({error})"
    rendered, last = 0, ""
    for messages in CONVERSATIONS:
        for prompt in (True, False):
            try:
                found = template.render(messages=messages, add_generation_prompt=prompt,
                                        bos_token="<s>", eos_token="</s>", pad_token="<pad>",
                                        unk_token="<unk>", tools=None, documents=None)  # fmt: skip
            except SecurityError as error:
                return f"leaves the sandbox ({error})"
            except (TemplateError, TypeError, AttributeError) as error:
                last = str(error)
                continue  # a template may refuse a form of conversation
            if len(found) > characters:
                return f"renders {len(found):,} characters for {len(messages)} short messages"
            rendered += 1
    return None if rendered else f"renders no conversation ({last})"


def in_a_child(text: str, seconds: float, characters: int) -> str | None:
    """Render in a forked process that the kernel ends: a loop in C hears no Python signal."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        import resource

        os.close(reading)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            problem = render_one(text, characters)
        except MemoryError:
            problem = "takes more than its share of memory"
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(problem).encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if not said:
        return f"does not end within {seconds:g} s (or memory): {os.waitstatus_to_exitcode(status)}"
    return json.loads(said)


def main() -> None:
    """Render every template; print problems."""
    task = json.load(sys.stdin)
    import transformers.utils.chat_template_utils  # noqa: F401  # imported once, before the forks

    problems = {}
    for name, text in task["templates"].items():
        problem = in_a_child(text, task["seconds"], task["characters"])
        if problem:
            problems[name] = problem
    print(json.dumps({"problems": problems}))


if __name__ == "__main__":
    main()
