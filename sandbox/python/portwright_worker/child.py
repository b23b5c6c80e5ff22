"""A job's own process: takes leave of the server, enters the cage, does the job, writes the answer."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import tempfile
from typing import NoReturn

from . import PROTOCOL, cage, errors, jobs

#: The variables that libraries find their folders by. PyTorch's compiler keeps the one that it once found.
FOLDERS = (
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("HF_HOME", "hf"),
    ("XDG_CACHE_HOME", "cache"),
    ("TORCHINDUCTOR_CACHE_DIR", "inductor"),
)


class Refused(ValueError):
    """A request that is not one."""


def check(request: object) -> None:
    """Raises `Refused` with what is wrong with a request."""
    if not isinstance(request, dict):
        raise Refused("a request is a JSON object")
    if request.get("protocol") != PROTOCOL:
        raise Refused(f"this worker speaks protocol {PROTOCOL}, the request says {request.get('protocol')!r}")
    for key in ("id", "work", "policy", "log"):
        if not isinstance(request.get(key), str):
            raise Refused(f"`{key}` must be a string")
    if not isinstance(request.get("cage", 0), str | None):
        raise Refused("`cage` must be the path of the cage library or null")
    if type(request.get("most", 0)) is not int:
        raise Refused("`most` must be a number of bytes")
    if not isinstance(request.get("hold", False), bool):
        raise Refused("`hold` must be true or false")
    job = request.get("job")
    kind = job.get("kind") if isinstance(job, dict) else None
    if kind not in jobs.KINDS:
        raise Refused(f"unknown job kind {kind!r}; the kinds are {', '.join(jobs.KINDS)}")


def main(request: dict, pipe: int) -> NoReturn:
    """Runs in the forked process and ends it."""
    code = 1
    try:
        _take_leave(request["log"], pipe)
        try:
            mode = cage.enter(request["cage"], request["policy"], pipe)
        except BaseException as error:
            errors.now("cage")
            # No first line with the mode: the server knows by its absence that no job ran.
            _write(pipe, b"null\n" + json.dumps({"error": errors.describe(error)}).encode())
            return
        # Written before any code that nobody has read could write in its place.
        _write(pipe, json.dumps(mode).encode() + b"\n")
        _write(pipe, _answer(request))
        code = 0
    finally:
        # Not `sys.exit`: nothing that the job registered gets another turn, and the server's loop is never re-entered.
        _flush()
        os._exit(code)


def read_answer(written: bytes) -> tuple[str | None, str | None]:
    """The isolation mode and the text after it, out of what a job's process wrote; `None` for what is not there.

    The text is not looked into here: a job can nest it, or write numbers and characters in it, such that a reader
    fails, and this reader is the server, on which every other job depends.
    """
    first, _, rest = written.partition(b"\n")
    try:
        mode = json.loads(first)
    except (ValueError, RecursionError):
        mode = None
    return (mode if isinstance(mode, str) else None), (rest.decode("utf-8", "replace") or None)


def _answer(request: dict) -> bytes:
    try:
        errors.now("prepare")
        _settle(request["work"])
        return json.dumps({"ok": jobs.run(request["job"], request["work"])}, allow_nan=False).encode()
    except BaseException as error:
        # Also SystemExit and KeyboardInterrupt: code that leaves the process has failed like any other.
        return json.dumps({"error": errors.describe(error)}).encode()


def _take_leave(log: str, pipe: int) -> None:
    """Drops what was the server's: its signal handling, and every file but the log and the answer's pipe."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    listed = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    for name in os.listdir(listed):
        if int(name) > 2 and int(name) != pipe:
            try:
                os.close(int(name))
            except OSError:
                # The descriptor that listed the folder is gone already.
                continue


def _settle(work: str) -> None:
    """Gives the job a home, a temporary folder and a cache of its own below its work folder."""
    faulthandler.enable()
    os.chdir(work)
    for key, name in FOLDERS:
        path = os.path.join(work, ".worker", name)
        os.makedirs(path, exist_ok=True)
        os.environ[key] = path
    tempfile.tempdir = None
    _redirect_library_caches(os.environ["HF_HOME"])
    import torch

    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))


def _redirect_library_caches(home: str) -> None:
    """Points the libraries' constants, fixed when the server imported them, at the job's own folder."""
    from transformers import dynamic_module_utils
    from transformers.utils import hub

    for module in (dynamic_module_utils, hub):
        module.HF_MODULES_CACHE = os.path.join(home, "modules")


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _flush() -> None:
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # The log is full or the job closed it; the answer is written already.
            continue
