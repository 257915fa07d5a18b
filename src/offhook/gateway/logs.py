"""Log records as JSON, one object a line. What looks like a secret or a full number is masked, whoever logged it."""

from __future__ import annotations

import json
import logging
import re

from offhook.cti.events import iso_time

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){1,2}")
_SECRET = re.compile(
    r"(?i)(\b(?:password|passwd|secret|token|response|cnonce|authorization)\b['\"]?\s*[=:]\s*['\"]?(?:bearer\s+)?)"
    r"[^\s'\",;}]+"
)
_NUMBER = re.compile(r"(?<![\w.:])\+?\d{5,}(?![\w.]*[\w])(?!:)")


def without_secrets(text: str) -> str:
    """The text with tokens and passwords out, and of each long number the last two digits."""
    text = _TOKEN.sub("***", text)
    text = _SECRET.sub(r"\1***", text)
    return _NUMBER.sub(lambda number: f"..{number[0][-2:]}", text)


class JsonLines(logging.Formatter):
    """`{"at", "level", "logger", "message"}`, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": iso_time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)
