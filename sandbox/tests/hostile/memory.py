"""Eats memory. `alone`: one process without end. `together`: four children with 100 MiB each. `share`: four children
that share 150 MiB of the parent's and eat none. `hidden`: memory that is in no process's address space."""

import ctypes
import os
import signal
import sys

MIB = 1 << 20


def alone():
    held = []
    while True:
        held.append(bytearray(os.urandom(1) * (8 * MIB)))


def children(action):
    told, tell = os.pipe()
    hold_end, release = os.pipe()
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            os.close(release)
            kept = action()
            os.write(tell, b"x")
            os.read(hold_end, 1)
            os._exit(0 if kept is not None else 1)
        pids.append(pid)
    for _ in pids:
        os.read(told, 1)
    return pids, release


def together():
    children(lambda: bytearray(b"x" * (100 * MIB)))
    signal.pause()


def share():
    block = ctypes.create_string_buffer(b"x" * (150 * MIB))
    pids, release = children(lambda: True)
    # Long enough for the watchdog to look at all five at once: it looks at least once while this burns CPU.
    total = 0
    for number in range(8_000_000):
        total += number
    os.close(release)
    for pid in pids:
        os.waitpid(pid, 0)
    print(f"shared {len(block) // MIB} MiB", flush=True)


def hidden():
    from attempt import attempt

    attempt("memfd", lambda: os.memfd_create("hidden"))
    library = ctypes.CDLL(None, use_errno=True)

    def segment():
        if library.shmget(0, ctypes.c_size_t(64 * MIB), 0o1600) < 0:
            raise OSError(ctypes.get_errno(), "shmget")

    attempt("shared segment", segment)


{"alone": alone, "together": together, "share": share, "hidden": hidden}[sys.argv[1]]()
