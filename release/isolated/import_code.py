"""Import remote code as the loader would, and report what it does to the world while importing.

stdin: {"folder", "classes": ["module.Class"], "home"};
stdout: {"acts": [{what, file, line}], "error"}.
"""

import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

WATCHED = {
    "socket.connect": "opens a connection",
    "socket.bind": "opens a port",
    "socket.getaddrinfo": "looks up a host",
    "socket.gethostbyname": "looks up a host",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.kill": "sends a signal",
    "os.remove": "deletes a file",
    "os.rename": "renames a file",
    "os.rmdir": "deletes a folder",
    "os.mkdir": "makes a folder",
    "os.symlink": "makes a link",
    "os.link": "makes a link",
    "os.chmod": "changes rights",
    "os.truncate": "cuts a file",
    "os.putenv": "sets an environment variable",
    "shutil.rmtree": "deletes a folder",
    "shutil.copyfile": "copies a file",
    "shutil.move": "moves a file",
    "urllib.Request": "opens an address",
    "http.client.connect": "opens a connection",
    "ctypes.dlopen": "loads a library",
    "pickle.find_class": "unpickles",
    "marshal.loads": "unmarshals",
    "os.listdir": "lists a folder",
    "os.scandir": "lists a folder",
    "glob.glob": "lists a folder",
    "sys.addaudithook": "hooks the interpreter",
    "sys.settrace": "hooks the interpreter",
    "sys.setprofile": "hooks the interpreter",
    "webbrowser.open": "opens an address",
    "signal.pthread_kill": "sends a signal",
}
ABOUT_FILES = {
    "os.listdir",
    "os.scandir",
    "glob.glob",
    "os.mkdir",
    "ctypes.dlopen",
    "marshal.loads",
    "os.rename",
    "os.remove",
    "shutil.copyfile",
    "shutil.move",
}


class Watch:
    """The audit hook: on while the code is imported, and it notes only what that code causes."""

    def __init__(self, copy: str, home: str) -> None:
        self.on = False
        self.acts: list[dict[str, Any]] = []
        self.home = os.path.realpath(home)
        self.copy = os.path.realpath(copy)
        self.sound = tuple(
            {
                os.path.realpath(p)
                for p in (
                    sys.prefix,
                    sys.base_prefix,
                    "/usr/lib",
                    "/lib",
                    "/usr/share/zoneinfo",
                    "/proc/self",
                    "/proc/cpuinfo",
                    "/proc/meminfo",
                    "/sys",
                    "/dev/null",
                    "/dev/urandom",
                    self.home,
                )
            }
        )

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        self.on = False
        try:
            if event == "open":
                self._opened(*arguments[:3])
            elif event in WATCHED:
                self._acted(event, arguments)
        finally:
            self.on = True

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.realpath(os.fsdecode(path))
        writing = bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else False
        if name.startswith(self.home) or (not writing and name.startswith(self.sound)):
            return
        self._note(("writes " if writing else "reads ") + name)

    def _acted(self, event: str, arguments: tuple[Any, ...]) -> None:
        first = arguments[0] if arguments else ""
        if event in ABOUT_FILES:
            if event == "marshal.loads":
                return  # what importing a cached module is
            named = isinstance(first, str | bytes | os.PathLike)
            name = os.path.realpath(os.fsdecode(first)) if named and first else ""
            if name.startswith((self.home, *self.sound)) or first in (None, ""):
                return
        self._note(f"{WATCHED[event]} ({str(first)[:120]})")

    def _note(self, what: str) -> None:
        """Note an act with the line of the imported code that caused it."""
        frames = traceback.extract_stack()
        inside = [self._is_imported_code(frame.filename) for frame in frames]
        if not any(inside):
            return  # the loader's own act, before any line of this code ran
        last = len(inside) - 1 - inside[::-1].index(True)
        if any(frame.filename.startswith("<frozen importlib") for frame in frames[last:]):
            return  # a library that this line imports, at its own import: the libraries are pinned
        place = {
            "what": what,
            "file": Path(frames[last].filename).name,
            "line": frames[last].lineno,
        }
        if place not in self.acts:
            self.acts.append(place)

    def _is_imported_code(self, name: str) -> bool:
        return name.endswith(".py") and os.path.realpath(name).startswith(self.home)


def main() -> None:
    """Import every class; print what happened."""
    task = json.load(sys.stdin)
    copy = str(Path(task["home"], "model"))
    shutil.copytree(
        task["folder"],
        copy,
        ignore=lambda _, names: [n for n in names if n.endswith(".safetensors")],
    )
    import torch  # noqa: F401  # loaded first: what the libraries do at import is theirs
    import transformers  # noqa: F401
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    watch = Watch(copy, task["home"])
    sys.addaudithook(watch)
    answer: dict[str, Any] = {}
    for name in task["classes"]:
        watch.on = True
        try:
            get_class_from_dynamic_module(name, copy)
        except BaseException as error:  # SystemExit of hostile code included
            watch.on = False
            first = (str(error).splitlines() or [""])[0]
            answer["error"] = f"{name}: {type(error).__name__}: {first}"
        watch.on = False
    os.write(1, (json.dumps({**answer, "acts": watch.acts}) + "\n").encode())
    os._exit(0)  # nothing that the code left behind runs


if __name__ == "__main__":
    main()
