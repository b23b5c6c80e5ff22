from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from server_process import ServerProcess  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests: a test that it does not survive fails the next one too, as it should."""
    started = ServerProcess(tmp_path_factory.mktemp("server") / "log")
    yield started
    started.stop()
