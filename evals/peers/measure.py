"""Runs a command and measures what its whole tree of processes costs.

    python measure.py RESULT.json COMMAND ARGUMENT...

It is a process of its own, and the reaper of everything that the command leaves behind: the kernel counts the time of a
process for the one that waits for it, so nothing may get away unwaited. What this process uses itself is not counted.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import threading
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two looks at the memory; a peak that is shorter can be missed.
INTERVAL = 1.0


def run(command: list[str]) -> dict:
    """Runs a command to its end and that of all its descendants.

    Returns:
        ``code`` (the command's exit status), ``cpu_seconds`` (user and system time of the tree), ``peak_bytes`` (the
        most memory of the tree at once, as `memory` counts it), ``largest_process_bytes`` (the most resident memory of
        any of its processes) and ``first_process_bytes`` (of the command's own process, as far as it was seen).
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this process cannot become the reaper of its descendants")
    pid = os.posix_spawnp(command[0], command, os.environ)
    watch = Watch(pid)
    watch.start()
    code = None
    try:
        while True:
            ended, status = os.wait()
            if ended == pid:
                code = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        watch.stop()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "code": code,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_bytes": watch.peak,
        "largest_process_bytes": usage.ru_maxrss * 1024,
        "first_process_bytes": watch.first,
    }


class Watch(threading.Thread):
    """Looks at the memory of the descendants of this process, again and again."""

    def __init__(self, first: int) -> None:
        super().__init__(daemon=True)
        self.pid = first
        self.peak = 0
        self.first = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(INTERVAL):
            self.first = max(self.first, _sizes(self.pid, "status", "VmHWM:"))
            self.peak = max(self.peak, memory(descendants(os.getpid())))

    def stop(self) -> None:
        self.ended.set()
        self.join()


def memory(processes: list[int]) -> int:
    """The bytes that a tree of processes holds.

    Pages that a fork shares count once. Of mapped files, such as libraries, only the process with the most counts:
    they are mostly the same files, and what strangers on the machine have mapped of them must not matter.
    """
    own = sum(_sizes(pid, "smaps_rollup", "Pss_Anon:", "Pss_Shmem:") for pid in processes)
    return own + max((_sizes(pid, "status", "RssFile:") for pid in processes), default=0)


def descendants(root: int) -> list[int]:
    """Every process below another one."""
    found, waiting = [], [root]
    while waiting:
        below = [child for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children") for child in _numbers(task)]
        found += below
        waiting += below
    return found


def _numbers(file: Path) -> list[int]:
    try:
        return [int(word) for word in file.read_text().split()]
    except OSError:
        return []


def _sizes(pid: int, file: str, *keys: str) -> int:
    """The sum of some sizes of a process in bytes; 0 for one that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(keys))


if __name__ == "__main__":
    result, *command = sys.argv[1:]
    Path(result).write_text(json.dumps(run(command)))
