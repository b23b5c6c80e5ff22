"""Looks at what it may not open.

argv is a mode, a folder with a file `secret` and a link `link`, and the pid of a process.
`strong` tries what only a root of the job's own can hide; both modes try the rest."""

import ctypes
import os
import sys

from attempt import attempt

mode, folder, bystander = sys.argv[1:]
secret = os.path.join(folder, "secret")
library = ctypes.CDLL(None, use_errno=True)


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def watch():
    ctypes.set_errno(0)
    watcher = library.inotify_init1(0)
    if watcher < 0 or library.inotify_add_watch(watcher, folder.encode(), 0xFFF) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def attribute():
    # Unsupported is how a wall says no here.
    try:
        os.getxattr(secret, "user.note")
    except OSError as error:
        raise (PermissionError(1, "refused") if error.errno == 95 else error) from None


attempt("watch", watch)
attempt("attribute", attribute)
attempt("command line of another", lambda: read(f"/proc/{bystander}/cmdline"))
attempt("state of another", lambda: read(f"/proc/{bystander}/status"))
attempt("descriptors of another", lambda: os.listdir(f"/proc/{bystander}/fd"))
if mode == "strong":
    attempt("size", lambda: os.stat(secret))
    attempt("link", lambda: os.readlink(os.path.join(folder, "link")))
    attempt("presence", lambda: os.chdir(folder))
    attempt("room", lambda: os.statvfs(folder))
    attempt("home", lambda: os.stat("/root/.bashrc"))
    attempt("accounts", lambda: os.stat("/etc/passwd"))
    attempt("climbing", lambda: os.stat("../" * 40 + secret))
    attempt("own root", lambda: os.stat("/proc/self/root" + secret))
    attempt("root of the init", lambda: os.stat("/proc/1/root" + secret))
    attempt("folder of the init", lambda: os.stat("/proc/1/cwd/" + "../" * 40 + secret))
    attempt("process", lambda: os.stat(f"/proc/{bystander}"))
    attempt("write the root", lambda: os.mkdir("/made"))
