"""Does what honest jobs do: the walls must not be felt."""

import hashlib
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

os.makedirs("a/b")
with open("a/file", "w") as file:
    file.write("content")
shutil.copy2("a/file", "a/b/copy")
os.rename("a/b/copy", "moved")
shutil.copytree("a", "tree")
shutil.rmtree("tree")
with tempfile.TemporaryDirectory() as folder:
    assert os.path.dirname(folder) == os.environ["TMPDIR"], folder
assert subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True).stdout == b"42\n"
child = subprocess.Popen(["sleep", "1000"])
child.kill()
child.wait()
reader, writer = multiprocessing.Pipe()
process = multiprocessing.get_context("fork").Process(target=lambda: writer.send(os.getpid()))
process.start()
assert reader.recv() == process.pid
process.join()
thread = threading.Thread(target=lambda: random.random())
thread.start()
thread.join()
pair = socket.socketpair()
pair[0].send(b"x")
assert pair[1].recv(1) == b"x"
hashlib.sha256(os.urandom(16))
open("/dev/null", "w").close()
os.sched_getaffinity(0)
with open("/proc/self/status") as file:
    file.read()
print(sorted(os.environ), flush=True)
