"""The files that a station writes: the SIP trace and the audit log. For their owner alone."""

from __future__ import annotations

import json
import os
import time
from typing import TextIO

from offhook.cti.events import iso_time
from offhook.cti.stream import Audit
from offhook.errors import ConfigError
from offhook.sip.tracing import TracedMessage, format_traced

MAX_TRACE_BYTES = 1 << 30
"""A trace that has grown so far is not written further."""


def own_file(path: str, field: str) -> TextIO:
    """A file to append to, readable by its owner alone. Raises `ConfigError` that names `field`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # the file may have been there, and open to others
    except OSError as error:
        raise ConfigError(field, f"{path!r} cannot be written ({error.strerror})", "Give a file") from None
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="surrogateescape")


class TraceFile:
    """Every SIP message in the format of `offhook.sip.tracing`, secrets and digits masked."""

    def __init__(self, path: str) -> None:
        self._file = own_file(path, "sip_trace")
        self._left = MAX_TRACE_BYTES

    def write(self, who: str, sent: bool, data: bytes) -> None:
        now = time.time()
        at = f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}"
        text = format_traced(TracedMessage(at, who, sent, data))
        self._left -= len(text)
        if self._left > 0:
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        self._file.close()


class AuditFile:
    """Who listened to whom: one JSON object a line, in the order of the outcomes. Never cut short, never masked."""

    def __init__(self, path: str) -> None:
        self._file = own_file(path, "audit_log")

    def write(self, audit: Audit) -> None:
        line = {
            "at": iso_time(audit.wall),
            "action": audit.action,
            "extension": audit.extension,
            "target": audit.target,
            "dialogId": audit.dialog_id,
            "outcome": audit.outcome,
        }
        if audit.destination is not None:
            line["destination"] = audit.destination
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
