"""Reads what is none of its business: argv is a secret file and the pid of a process outside."""

import os
import sys

from attempt import attempt

secret, bystander = sys.argv[1:]


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def through_symlink():
    os.symlink(secret, "link")
    read("link")


def through_hardlink():
    os.link(secret, "hard")
    read("hard")


attempt("secret", lambda: read(secret))
attempt("secret folder", lambda: os.listdir(os.path.dirname(secret)))
attempt("symlink", through_symlink)
attempt("hardlink", through_hardlink)
attempt("climbing", lambda: read("../" * 40 + secret))
attempt("own root", lambda: read("/proc/self/root" + secret))
attempt("accounts", lambda: read("/etc/passwd"))
attempt("passwords", lambda: read("/etc/shadow"))
attempt("home", lambda: os.listdir("/root"))
attempt("temporary folder", lambda: os.listdir("/tmp"))
attempt("shared memory", lambda: os.listdir("/dev/shm"))
attempt("memory of another", lambda: read(f"/proc/{bystander}/mem"))
attempt("environment of another", lambda: read(f"/proc/{bystander}/environ"))
attempt("memory of the parent", lambda: read(f"/proc/{os.getppid()}/mem"))
attempt("maps of the parent", lambda: read(f"/proc/{os.getppid()}/maps"))
attempt("root of another", lambda: os.listdir(f"/proc/{bystander}/root/"))
