"""A process outside, for hostile code to aim at. Asked to end, it says with its exit code whether SIGURG reached it."""

import os
import signal

reached = []
signal.signal(signal.SIGURG, lambda *_: reached.append(True))
# A real-time signal comes after every other that is pending.
signal.signal(signal.SIGRTMIN, lambda *_: os._exit(1 if reached else 0))
print("ready", flush=True)
while True:
    signal.pause()
