"""Locks the calling process in, through the C library that Rust compiles from `sandbox/cage`."""

from __future__ import annotations

import ctypes
import os
import signal

MESSAGE_BYTES = 4096
PR_SET_PDEATHSIG = 1
UNPROTECTED = "allow_unprotected=1"


class CageError(Exception):
    """The process could not be locked in, and so must not run its job."""


def enter(library: str | None, policy: str, keep_fd: int) -> str:
    """Returns, in the job's process, the name of the mode it is locked in with.

    With a library this forks: the caller stays behind as the job's supervisor and never returns. Without one the job
    runs unprotected in the calling process, which the policy must allow in so many words.
    """
    if library is None:
        if UNPROTECTED not in policy.splitlines():
            raise CageError("there is no cage library, and the policy does not allow to run unprotected")
        _die_with_parent()
        return "none"
    loaded = ctypes.CDLL(library)
    function = loaded.portwright_cage_enter
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    function.restype = ctypes.c_int
    message = ctypes.create_string_buffer(MESSAGE_BYTES)
    text = policy if policy.endswith("\n") or not policy else policy + "\n"
    status = function(f"{text}keep_fd={keep_fd}\n".encode(), message, MESSAGE_BYTES)
    said = message.value.decode("utf-8", "replace")
    if status != 0:
        raise CageError(said)
    return said


def _die_with_parent() -> None:
    """Ends this process when the server dies: what the supervisor does for a caged job."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        parent = os.getppid()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
