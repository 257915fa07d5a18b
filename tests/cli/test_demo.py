"""`offhook demo`: the whole story, and what it says when a part of it does not come about."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offhook.cli import demo as module
from offhook.cli.demo import Ear, Story, demo, switch_and_gateway, tell, wait_for
from offhook.cli.windows import look_at_page
from offhook.testing.desk import Desk


async def test_once(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a browser; with one it is in test_windows.py. Nobody is at a terminal, so that it ends by itself."""
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    process = await start("demo")
    out, err = await asyncio.wait_for(process.communicate(), 60)
    lines = out.decode().splitlines()
    assert (process.returncode, lines[-1]) == (0, "demo: ok"), err.decode()
    events = [json.loads(line[5:]) for line in lines if re.match(r"100[01] \{", line)]
    assert {event["event"] for event in events} >= {"agentInfo", "newInboundCall", "outboundDialing", "DTMF"}
    stages = [line for line in lines if line.startswith("== ")]
    for stage in (
        "1001 hears 440 Hz",
        "1000 hears 880 Hz",
        "1001 hears nothing",
        "the menu got 42",
        "1000: codec opus",
        "the desk is at http://127.0.0.1:",
        "no two windows were opened: chromium is not installed: apt-get install chromium",
    ):
        assert any(stage in line for line in stages), stage
    assert any("INVITE" in line and "▶" in line for line in lines)
    assert err == b""


async def test_it_stays_until_it_is_stopped(start: Any) -> None:
    process = await start("demo", "--wait", "--no-ladder")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        text = (await process.stdout.readuntil(b"Ctrl-C stops.\n")).decode()
    links = re.findall(r"agent (\d+):  (http://127\.0\.0\.1:\d+/desk/)#token=(\S+)", text)
    assert [extension for extension, _, _ in links] == ["1000", "1001"]
    await look_at_page(links[0][1])
    for extension, page, token in links:
        async with Desk(page.replace("http", "ws").replace("desk/", "cti")) as desk:
            assert (await desk.do("login", extension=extension, token=token))["status"] == "done"
    url = re.search(r"websocat (ws://\S+/cti)", text)
    assert url is not None
    async with Desk(url[1]) as desk:
        await desk.login("1005", "1234")
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), 15)
    assert (process.returncode, out.decode()) == (0, "demo: ok\n")


async def test_what_does_not_come_about_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SAMPLE_PASSWORD", "wrong")
    assert await demo(once=True, ladder=False) == 1
    out = capsys.readouterr().out
    assert "demo: failed while 1000 logs in: login failed" in out and "credentials-refused" in out
    assert "demo: ok" not in out


async def test_it_does_not_take_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.0)
    async with switch_and_gateway(tmp_path / "trace.txt") as (switch, gateway):
        assert await tell(Story(switch, gateway)) == "it was not over within 0 s"


def test_the_ear() -> None:
    ear = Ear()
    assert not ear.hears(440) and not ear.hears_nothing()
    for number in range(30):
        phase = (np.arange(320) + 320 * number) * 2 * np.pi * 440 / 16000
        ear.hear((8000 * np.sin(phase)).astype(np.int16))
    assert ear.hears(440) and not ear.hears(880) and len(ear.samples) == 25
    for _ in range(25):
        ear.hear(np.zeros(320, np.int16))
    assert ear.hears_nothing() and not ear.hears(440)


async def test_waiting_in_vain_says_for_what() -> None:
    await wait_for(lambda: True, lambda: "nothing")
    with pytest.raises(AssertionError, match="waited in vain for this: a miracle"):
        await wait_for(lambda: False, lambda: "a miracle", timeout=0.0)
