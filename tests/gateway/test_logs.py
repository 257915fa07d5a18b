"""JSON log lines: one object a line, nothing secret, no full number."""

from __future__ import annotations

import json
import logging

import pytest

from offhook.gateway.logs import JsonLines, without_secrets


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("= agent ..00 is gone: logged out", "= agent ..00 is gone: logged out"),
        ("call to +4915112345678 failed", "call to ..78 failed"),
        ("a=4111111111111111", "a=..11"),
        ("listen on 127.0.0.1:54321", "listen on 127.0.0.1:54321"),
        ('{"password": "hunter2", "x": 1}', '{"password": "***", "x": 1}'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig was sent", "token *** was sent"),
        ("c17 < makeCall", "c17 < makeCall"),
    ],
)
def test_what_is_masked(text: str, clean: str) -> None:
    assert without_secrets(text) == clean


def test_one_object_a_line() -> None:
    try:
        raise ValueError("password=hunter2\nnext")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("offhook.x", logging.ERROR, "f", 1, "hello %s\n%s", ("wörld", "+4915112345678"), info)
    record.created = 0.0
    line = JsonLines().format(record)
    assert "\n" not in line and line.isascii()
    said = json.loads(line)
    assert said.pop("exception").endswith("password=***\nnext")
    assert said == {
        "at": "1970-01-01T00:00:00.000Z",
        "level": "error",
        "logger": "offhook.x",
        "message": "hello wörld\n..78",
    }
