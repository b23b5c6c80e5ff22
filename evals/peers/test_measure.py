"""Whatever a command starts is measured with it, even what gets away from it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import measure

BURN = "import time\nwhile time.process_time() < 0.5: pass"


def measured(tmp_path: Path, *command: str) -> dict:
    result = tmp_path / "result.json"
    subprocess.run([sys.executable, measure.__file__, str(result), *command], check=True)
    return json.loads(result.read_text())


def test_a_process_that_left_its_parent_is_counted(tmp_path):
    leave = f"import os, sys\nif os.fork(): os._exit(3)\nos.setsid()\nif os.fork(): os._exit(0)\n{BURN}"
    found = measured(tmp_path, sys.executable, "-c", leave)
    assert found["code"] == 3
    assert found["cpu_seconds"] >= 0.5


def test_memory_that_a_fork_shares_counts_once():
    take = "import os\nheld = bytearray(os.urandom(1 << 20)) * 128\n"
    hold = take + "pid = os.fork()\nif pid: print(pid, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        tree = measure.descendants(os.getpid())
        both, one = measure.memory([parent.pid, child]), measure.memory([parent.pid])
        parent.stdin.close()
    assert {parent.pid, child} <= set(tree)
    assert 128 << 20 <= both < 192 << 20
    # Half of what two share is each one's.
    assert one < both - (32 << 20)
