"""`offhook schema`."""

from __future__ import annotations

import json

import pytest

from offhook import __version__
from offhook.cli.main import main
from offhook.cti import schema
from offhook.cti.typescript import typescript


def printed(form: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["schema", form]) == 0
    return capsys.readouterr().out


def test_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed("commands", capsys)) == schema.commands()
    assert json.loads(printed("events", capsys)) == schema.messages()


def test_asyncapi(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed("asyncapi", capsys))
    assert document["asyncapi"] == "3.0.0" and document["info"]["version"] == __version__


def test_typescript(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("typescript", capsys) == typescript()


def test_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["schema", "xml"])
    assert "asyncapi" in capsys.readouterr().err
