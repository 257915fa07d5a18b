"""One process a journal, and none when that one is gone, however it went."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from offhook.errors import ConfigError
from offhook.journal.lock import Lock

HOLD = """
import fcntl, sys
file = open(sys.argv[1] + ".lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


def test_another_process_is_refused_until_it_is_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="is in use by another process. Stop that one, or give each its own file"):
            Lock(path)
        holder.kill()
        holder.wait()
    lock = Lock(path)
    with pytest.raises(ConfigError):
        Lock(path)
    lock.release()
    lock.release()
    Lock(path).release()


def test_where_there_can_be_no_lock_nobody_can_write(tmp_path: Path) -> None:
    Lock(str(tmp_path / "no" / "such")).release()
