"""The fork server: imports the heavy libraries once, then forks one process per request.

It stays single-threaded, because a fork copies the forking thread only and leaves every lock that another one held
locked for ever. It reads nothing but requests, exits, and the answers' pipes; everything a job does happens in the
job's process (`child`).
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import sys
from dataclasses import dataclass, field

from . import PROTOCOL, child

# The most bytes of an answer that are read, where the request names no other number.
MAX_ANSWER = 1 << 20
# The kernel tells resident memory in kilobytes, Darwin's in bytes.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
# What a job would otherwise import after the fork, each time. A part that an environment lacks is left out.
PREIMPORTS = (
    "numpy",
    "torch",
    "torch.export",
    "torch.onnx",
    "safetensors.torch",
    "safetensors.numpy",
    "transformers",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "onnx",
    "onnxscript",
    # The parts of `torch.export` that import themselves at the first export.
    "torch.export._trace",
    "torch._functorch.partitioners",
    "torch._inductor.output_code",
    "torch.onnx._internal.exporter._core",
    "transformers.exporters.exporter_onnx",
    "openvino",
    "transformers.exporters.exporter_openvino",
    "pytest",
)
PARTS = ("torch", "transformers", "safetensors", "numpy", "onnx", "onnxscript", "onnxruntime", "openvino", "pytest")


@dataclass
class Running:
    """A job in flight."""

    id: str
    pid: int
    # `None` when nothing more is read from it.
    pipe: int | None
    caged: bool
    # The watchdog still follows it: until it lets go, its pid must not come to mean another process.
    held: bool
    most: int = MAX_ANSWER
    # Whether it wrote more than that: what it wrote is then no answer, and nothing more of it is taken.
    too_large: bool = False
    answer: bytearray = field(default_factory=bytearray)


class Server:
    def __init__(self, requests: int, events: int) -> None:
        self.requests = requests
        self.events = events
        self.pending = bytearray()
        self.jobs: dict[int, Running] = {}
        self.selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Answers requests until the requests' pipe closes; then kills what still runs."""
        wake = _wake_on_child_exit()
        self.selector.register(wake, selectors.EVENT_READ)
        self.selector.register(self.requests, selectors.EVENT_READ)
        self.emit({"protocol": PROTOCOL, "event": "ready", "versions": _versions()})
        while True:
            for key, _ in self.selector.select():
                if key.fd == self.requests:
                    if not self.read_requests():
                        self.end_all()
                        return
                elif key.fd == wake:
                    _drain(wake)
                    self.reap()
                elif key.data is not None:
                    self.read_answer(key.data)

    def emit(self, event: dict) -> None:
        line = json.dumps(event, allow_nan=False).encode() + b"\n"
        while line:
            line = line[os.write(self.events, line) :]

    def read_requests(self) -> bool:
        chunk = os.read(self.requests, 1 << 16)
        self.pending += chunk
        *lines, rest = self.pending.split(b"\n")
        self.pending = bytearray(rest)
        for line in lines:
            if line.strip():
                self.accept(bytes(line))
        return bool(chunk)

    def accept(self, line: bytes) -> None:
        """Forks a job for a request, or says why not and goes on."""
        identity = None
        try:
            request = json.loads(line)
            identity = request.get("id") if isinstance(request, dict) else None
            if isinstance(request, dict) and "release" in request:
                self.release(request["release"])
                return
            child.check(request)
            if any(job.id == identity for job in self.jobs.values()):
                raise child.Refused(f"a job with the id `{identity}` is in flight")
        except (ValueError, RecursionError) as error:
            known = identity if isinstance(identity, str) else None
            self.emit({"id": known, "event": "refused", "error": str(error)})
            return
        self.start(request)

    def release(self, identity: object) -> None:
        """The watchdog has let go of a job that it asked to hold: it may be reaped now."""
        for job in self.jobs.values():
            if job.id == identity:
                job.held = False
        self.reap()

    def start(self, request: dict) -> None:
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            # The system has no process to spare; the jobs in flight are none the worse for it.
            os.close(read)
            os.close(write)
            self.emit({"id": request["id"], "event": "refused", "error": f"the system cannot start a process: {error}"})
            return
        if pid == 0:
            # Never returns: a child that came back here would answer as the server.
            child.main(request, write)
        os.close(write)
        os.set_blocking(read, False)
        job = Running(
            request["id"],
            pid,
            read,
            request["cage"] is not None,
            request.get("hold", False),
            request.get("most", MAX_ANSWER),
        )
        self.jobs[pid] = job
        self.selector.register(read, selectors.EVENT_READ, job)
        self.emit({"id": job.id, "event": "started", "pid": pid})

    def read_answer(self, job: Running) -> None:
        """Takes what there is of an answer, and shuts the pipe at its end or where it is too long.

        Nothing of a job that was reaped since its event was told: its pipe is closed.
        """
        if job.pid not in self.jobs or job.pipe is None:
            return
        try:
            while chunk := os.read(job.pipe, 1 << 16):
                job.answer += chunk
                if len(job.answer) > job.most:
                    job.too_large = True
                    break
        except BlockingIOError:
            return
        self.shut(job)

    def shut(self, job: Running) -> None:
        """Takes no more of an answer: a job that still writes is told so and does not wait for a reader."""
        if job.pipe is None:
            return
        if job.pipe in self.selector.get_map():
            self.selector.unregister(job.pipe)
        os.close(job.pipe)
        job.pipe = None

    def reap(self) -> None:
        for pid, job in list(self.jobs.items()):
            if job.held:
                continue
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done == 0:
                continue
            # A process that the job left behind may hold the pipe open: take what is there, do not wait for its end.
            self.read_answer(job)
            self.shut(job)
            del self.jobs[pid]
            isolation, answer = child.read_answer(bytes(job.answer))
            self.emit(
                {
                    "id": job.id,
                    "event": "exited",
                    "status": _status(status, job.caged),
                    "isolation": isolation,
                    "peak_resident_bytes": usage.ru_maxrss * RSS_UNIT,
                    "answer": None if job.too_large else answer,
                    "too_large": job.too_large,
                }
            )

    def end_all(self) -> None:
        for pid, job in self.jobs.items():
            # A caged job's supervisor ends the whole tree on SIGTERM.
            os.kill(pid, signal.SIGTERM if job.caged else signal.SIGKILL)
        for pid in self.jobs:
            os.waitpid(pid, 0)


def _status(status: int, caged: bool) -> dict:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return {"signal": -code}
    if caged and code > 128:
        # The supervisor repeats the job's end: 128 plus the signal's number.
        return {"signal": code - 128}
    return {"code": code}


def _wake_on_child_exit() -> int:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return read


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for part in PARTS:
        try:
            found[part] = version(part)
        except PackageNotFoundError:
            continue
    return found


def preimport() -> None:
    """Imports what jobs need; says on the log what an environment lacks."""
    import gc

    for name in PREIMPORTS:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"portwright: {name} is not pre-imported: {error}", file=sys.stderr, flush=True)
    from . import warm

    warm.up()
    threads = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ["1"]
    if len(threads) > 1:
        raise RuntimeError(
            f"importing the libraries left {len(threads)} threads running, and a fork copies one; "
            "the environment must set OPENBLAS_NUM_THREADS=1, OMP_NUM_THREADS and CI=true"
        )
    # What exists now lives for ever: keep the collector from touching, and so copying, its pages in every job.
    gc.collect()
    gc.freeze()


def main() -> None:
    requests, events = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    # Whatever a library prints while it is imported goes to the log, never between the events.
    os.dup2(2, 1)
    preimport()
    Server(requests, events).serve()
