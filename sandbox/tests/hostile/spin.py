"""Never ends. `spin`: burns CPU. `spawn`: burns it in short-lived children. `sleep`: does nothing at all."""

import os
import signal
import sys

for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)
lock = os.open("lock", os.O_RDWR | os.O_CREAT)
import fcntl  # noqa: E402

fcntl.flock(lock, fcntl.LOCK_EX)

while True:
    if sys.argv[1] == "sleep":
        signal.pause()
    elif sys.argv[1] == "spawn":
        if os.fork() == 0:
            for _ in range(1_000_000):
                pass
            os._exit(0)
        os.wait()
