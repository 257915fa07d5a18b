"""The files of a station: for their owner alone, and a helpful error where they cannot be written."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from offhook.config import Config
from offhook.cti.stream import Audit
from offhook.errors import ConfigError
from offhook.gateway.app import Station
from offhook.gateway.files import AuditFile, TraceFile
from offhook.switch.server import Switch
from offhook.testing.desk import Desk


@pytest.mark.parametrize(("make", "field"), [(TraceFile, "sip_trace"), (AuditFile, "audit_log")])
def test_a_file_that_cannot_be_written(make: Callable[[str], Any], field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written") as refused:
        make(str(tmp_path / "no" / "such" / "folder"))
    assert refused.value.field == field


def test_a_line_for_each_audit(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    path.touch(0o644)
    file = AuditFile(str(path))
    file.write(Audit("whisper", "1009", "1001", "d1", "done", 1_700_000_000.5))
    file.write(Audit("bargeIn", "1009", "1001", None, "not-allowed", 1_700_000_001.0))
    file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "at": "2023-11-14T22:13:20.500Z",
        "action": "whisper",
        "extension": "1009",
        "target": "1001",
        "dialogId": "d1",
        "outcome": "done",
    }
    assert (lines[1]["dialogId"], lines[1]["outcome"]) == (None, "not-allowed")


def test_a_refused_second_file_closes_the_first(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(ConfigError, match="audit_log"):
        Station(Config(media="null", sip_trace=str(trace), audit_log=str(tmp_path)))
    assert trace.exists()  # and, were it still open, the warning about it would fail this test


async def test_who_may_not_listen_is_in_the_log(start_gateway: Any, switch: Switch, tmp_path: Path) -> None:
    path = tmp_path / "audit"
    gateway = await start_gateway(sip=(switch.ws_url,), audit_log=str(path), supervisor=("1009",))
    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        number = {"calledNumber": "1001", "Destination_Number": "1001", "service_Identifier": "1001"}
        result = await desk.attempt("silentMonitor", callType="audio", **number)
        assert result["error"]["code"] == "not-allowed"
        await desk.do("logout")
    (line,) = [json.loads(text) for text in path.read_text().splitlines()]
    assert (line["action"], line["extension"], line["target"]) == ("silentMonitor", "1000", "1001")
    assert line["outcome"] == "not-allowed"
