"""Takes the disk in the way that it is told, until it is ended."""

import fcntl
import itertools
import mmap
import os
import sys

PIECE = bytes(1 << 20)
lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)


def grow() -> None:
    """Many files, each small beside the limit on a file."""
    for number in itertools.count():
        os.makedirs(f"below/{number}")
        with open(f"below/{number}/file", "wb") as file:
            file.write(PIECE)


def flood() -> None:
    """Files without anything in them."""
    for number in itertools.count():
        open(str(number), "w").close()


def removed() -> None:
    """A file without a name, held open."""
    with open("file", "wb") as file:
        os.unlink("file")
        for _ in range(30):
            file.write(PIECE)
        file.flush()
        wait()


def mapped() -> None:
    """A file without a name and without a descriptor."""
    with open("file", "w+b") as file:
        file.truncate(30 << 20)
        os.unlink("file")
        held = mmap.mmap(file.fileno(), 0)
    for place in range(0, len(held), 4096):
        held[place] = 1
    # The mapping holds a descriptor of its own: the highest one.
    os.closerange(lock.fileno() + 1, 64)
    wait()


def wait() -> None:
    while True:
        os.read(os.pipe()[0], 1)


{"grow": grow, "flood": flood, "removed": removed, "mapped": mapped}[sys.argv[1]]()
