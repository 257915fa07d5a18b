"""One process a journal: a lock that the kernel takes back when the process is gone, however it went."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from offhook.errors import ConfigError


class Lock:
    """The lock of the journal at `path`, in a file beside it. Raises `ConfigError` where another process has it.

    Where that file can be neither made nor read, nobody can write the journal either, and there is no lock.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = -1
        for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
            with contextlib.suppress(OSError):
                self._descriptor = os.open(f"{path}.lock", flags | os.O_CLOEXEC, 0o600)
                break
        else:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                remedy = "Give a file on a disk that has locks"
                raise ConfigError("journal", f"{path!r} cannot be locked ({error.strerror})", remedy) from None
            remedy = "Stop that one, or give each its own file"
            raise ConfigError("journal", f"{path!r} is in use by another process", remedy) from None

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
