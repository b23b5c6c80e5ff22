"""Writes where it must not: argv is a folder outside that holds a file `victim`."""

import os
import sys

from attempt import attempt

folder = sys.argv[1]
victim = os.path.join(folder, "victim")


def write(path, mode):
    with open(path, mode) as file:
        file.write("forged")


def through_symlink():
    os.symlink(victim, "link")
    write("link", "w")


def rename_out():
    write("mine", "w")
    os.rename("mine", os.path.join(folder, "moved"))


def rename_in():
    os.rename(victim, "taken")


attempt("create", lambda: write(os.path.join(folder, "new"), "w"))
attempt("overwrite", lambda: write(victim, "w"))
attempt("append", lambda: write(victim, "a"))
attempt("symlink", through_symlink)
attempt("truncate", lambda: os.truncate(victim, 0))
attempt("truncate by opening", lambda: os.close(os.open(victim, os.O_RDONLY | os.O_TRUNC)))
attempt("remove", lambda: os.remove(victim))
attempt("rename out", rename_out)
attempt("rename in", rename_in)
attempt("hardlink", lambda: os.link(victim, "hard"))
attempt("folder", lambda: os.mkdir(os.path.join(folder, "made")))
attempt("fifo", lambda: os.mkfifo(os.path.join(folder, "fifo")))
attempt("device", lambda: os.mknod("device", 0o600 | 0o020000, os.makedev(1, 1)))
attempt("owner", lambda: os.chown(victim, os.getuid(), os.getgid()))
attempt("attribute", lambda: os.setxattr(victim, "user.forged", b"1"))
attempt("temporary file", lambda: write("/tmp/portwright-escaped", "w"))
attempt("shared memory", lambda: write("/dev/shm/portwright-escaped", "w"))
attempt("kernel setting", lambda: write("/proc/sys/kernel/core_pattern", "w"))
# In the mode without namespaces these two are answered with success and do nothing; the test looks at the file.
attempt("mode", lambda: os.chmod(victim, 0o777))
attempt("times", lambda: os.utime(victim, (1, 1)))
