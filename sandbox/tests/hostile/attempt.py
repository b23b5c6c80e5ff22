"""What the hostile scripts share: try something, and say how it ended in one line a test can read."""

import errno


def attempt(name, action):
    """Prints `name: done` if the action went through, else `name: refused` and the system's reason."""
    try:
        action()
    except OSError as error:
        print(f"{name}: refused {errno.errorcode.get(error.errno, error.errno)}", flush=True)
    else:
        print(f"{name}: done", flush=True)
