"""`offhook serve` in a process of its own: what it says, how it ends, what its log shows."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from offhook.cli.main import main, new_parser
from offhook.cli.serve import DEFAULTS, new_config
from offhook.config import Config
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import Desk, until

QUIET = ("serve", "--listen", "127.0.0.1:0", "--media", "null")


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    yield switch
    await switch.stop()


def parsed(*words: str) -> argparse.Namespace:
    return new_parser("serve").parse_args(["serve", *words])


async def banner_of(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """All it says before it waits, and where desks connect."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        text = (await process.stdout.readuntil(b"Ctrl-C stops.\n")).decode()
    url = re.search(r"ws://\S+/cti", text)
    assert url is not None
    return text, url[0]


def test_flags_and_configuration_have_the_same_names_and_defaults() -> None:
    assert new_config(parsed()) == Config()
    # A command line can be read by everybody on the machine: what is secret is in a file alone.
    assert {name.replace("_", "-") for name in DEFAULTS if name != "turn_secret"} <= {
        option[2:] for action in _actions() for option in action.option_strings
    }


def _actions() -> list[argparse.Action]:
    commands = next(a for a in new_parser("serve")._actions if isinstance(a, argparse._SubParsersAction))
    actions: list[argparse.Action] = commands.choices["serve"]._actions
    return actions


def test_flags_become_the_configuration() -> None:
    config = new_config(
        parsed("--sip", "ws://a:1, wss://b", "--allow-origin", "https://x.example", "--grace", "5", "--insecure-tls")
    )
    assert config == Config(
        sip=("ws://a:1", "wss://b"), allow_origin=("https://x.example",), grace=5.0, insecure_tls=True
    )


def test_a_file_says_what_the_flags_leave_open(tmp_path: Path) -> None:
    file = tmp_path / "offhook.toml"
    lines = [
        'sip = ["ws://a:1", "wss://b"]',
        'media = "null"',
        "grace = 5",
        "insecure_tls = true",
        'domain = "a.example"',
    ]
    file.write_text("\n".join(lines))
    config = new_config(parsed("--config", str(file), "--domain", "b.example"))
    assert config == Config(sip=("ws://a:1", "wss://b"), media="null", grace=5, insecure_tls=True, domain="b.example")
    file.write_text('tls_key = "k"\n')
    assert new_config(parsed("--config", str(file), "--tls-certificate", "c")).tls_key == "k"


@pytest.mark.parametrize(
    ("text", "flags", "said"),
    [
        ('media = "loud"', [], "{file}: media: 'loud' is not known. Give local, browser or null.\n"),
        ('media = "loud"', ["--grace", "-1"], "{file}: media: 'loud' is not known."),
        ('domain = "a"', ["--media", "loud"], "--media: 'loud' is not known."),
        ("loudness = 5", [], "{file}: loudness: there is no such key. Give after_grace, "),
        ("grace = true", [], "{file}: grace: True has the wrong type. Give a number.\n"),
        ("sip = [5]", [], "{file}: sip: [5] has the wrong type. Give a list of texts"),
        ('sip = "ws://a"', [], "{file}: sip: 'ws://a' has the wrong type. Give a list of texts"),
        ("[sip]", [], "{file}: sip: {{}} has the wrong type."),
        ("media", [], "--config: '{file}' is not TOML ("),
        ("# \x00", [], "--config: '{file}' is not TOML ("),
    ],
)
def test_a_wrong_file_names_the_key(
    text: str, flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "offhook.toml"
    file.write_text(text)
    assert main(["serve", "--config", str(file), *flags]) == 2
    assert "offhook serve: " + said.format(file=file) in capsys.readouterr().err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", "/no/such/file"]) == 2
    assert "--config: '/no/such/file' cannot be read (No such file or directory)" in capsys.readouterr().err


async def test_the_banner_says_where_and_what_to_try(start: Any) -> None:
    process = await start(*QUIET, "--domain", "pbx.example", "--sip", "ws://127.0.0.1:9")
    text, url = await banner_of(process)
    assert f"desks   {url}" in text
    assert url.replace("ws:", "http:").replace("/cti", "/healthz") in text
    assert "ws://127.0.0.1:9  domain pbx.example" in text
    assert '{"action":"login"' in text and "offhook switch" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_calls_and_logs_out(start: Any, switch: Switch, number: signal.Signals) -> None:
    process = await start(*QUIET, "--sip", switch.ws_url)
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        await desk.login("1000", "1234")
        await desk.send("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        await desk.expect("dialogState", state="ACTIVE")
        process.send_signal(number)
        await desk.expect("dialogState", state="DROPPED")
        await desk.expect("agentInfo", state="LOGOUT")
        assert await desk.closed() == 1001
    out, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0
    assert b"1 agent to log out" in out and out.endswith(b"stopped\n")
    assert b"Traceback" not in err
    assert switch.channels() == () and not switch.registered("1000")


async def test_a_second_signal_ends_it_at_once(start: Any) -> None:
    reached = asyncio.Event()

    async def mute(request: web.Request) -> web.WebSocketResponse:
        """A server that takes the connection and never answers: the logout has to wait."""
        connection = web.WebSocketResponse(protocols=("sip",))
        await connection.prepare(request)
        async for _ in connection:
            reached.set()
        return connection

    app = web.Application()
    app.router.add_get("/", mute)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    process = await start(*QUIET, "--sip", f"ws://127.0.0.1:{runner.addresses[0][1]}")
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        await desk.send("login", extension="1000", password="1234")
        await reached.wait()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert b"stopping" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 5) in (0, 130)  # 0: it was faster
    await runner.cleanup()


async def test_a_port_in_use(start: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = await start("serve", "--media", "null", "--listen", f"127.0.0.1:{other.getsockname()[1]}")
        _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"in use by another program. Stop it, or give another port, as :0." in err
    assert b"Traceback" not in err


async def test_the_log_shows_neither_secrets_nor_numbers(start: Any, switch: Switch) -> None:
    process = await start(*QUIET, "--sip", switch.ws_url, "--log-level", "debug")
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        await desk.attempt("login", extension="1000", password="wrongly-guessed")
        await desk.login("1000", "1234")
        await desk.send("makeCall", calledNumber="9486", Destination_Number="4917612345678", callType="audio")
        await desk.expect("Error", type="generalError")
        await desk.attempt("makeCall", calledNumber="4930123456;x", Destination_Number="1", callType="audio")
        await desk.do("logout")
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    log = err.decode()
    for secret in ("wrongly-guessed", "4917612345678", "4930123456", "9486@", '"1234"'):
        assert secret not in log
    assert re.search(r"< c1 makeCall", log) and re.search(r"> \S+ SIP INVITE", log)
    assert re.search(r"= agent \.\.00 is gone", log)


async def test_no_server_is_no_reason_not_to_start(start: Any) -> None:
    process = await start(*QUIET, "--sip", "ws://127.0.0.1:9")
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        await desk.send("login", extension="1000", password="1234")
        await desk.expect("Error", type="networkIssue")
    process.send_signal(signal.SIGTERM)

    async def ended() -> bool:
        return process.returncode is not None

    await until(ended, "the end")
    assert process.returncode == 0


async def test_the_log_as_json(start: Any) -> None:
    process = await start(*QUIET, "--sip", "ws://127.0.0.1:9", "--log-format", "json")
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        await desk.send("login", extension="100012345", password="hunter2")
        await desk.expect("Error", code="unreachable")
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    lines = [json.loads(line) for line in err.decode().splitlines()]
    assert {"at", "level", "logger", "message"} == set(lines[0])
    assert any("login" in line["message"] for line in lines)
    assert b"hunter2" not in err and b"100012345" not in err


# With a journal, and with a drain


async def start_call(desk: Desk) -> str:
    await desk.login("1000", "1234")
    await desk.do("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
    return str((await desk.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"])


async def test_with_a_journal_a_signal_leaves_the_calls_to_the_next_process(
    start: Any, switch: Switch, tmp_path: Path
) -> None:
    flags = (*QUIET, "--sip", switch.ws_url, "--domain", "127.0.0.1", "--journal", str(tmp_path / "journal"))
    process = await start(*flags)
    text, url = await banner_of(process)
    assert f"journal {tmp_path / 'journal'}  (0 agents in it)" in text
    second = await start(*flags)
    _, err = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 2 and b"is in use by another process. Stop that one, or give" in err
    async with Desk(url) as desk:
        dialog = await start_call(desk)
        process.send_signal(signal.SIGTERM)
        assert await desk.closed() == 1001
        assert not [heard for heard in desk.heard if "DROPPED" in str(heard)]
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0 and b"leaving 1 call to the next process" in out and b"Traceback" not in err
    assert len(switch.channels()) == 1
    process = await start(*flags)
    text, url = await banner_of(process)
    assert "(1 agent in it)" in text
    async with Desk(url) as desk:
        await desk.do("login", extension="1000", password="1234")
        await desk.expect("dialogState", id=dialog)
        await desk.do("logout")
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 10)
    assert switch.channels() == ()


async def test_a_drain_waits_for_calls_to_end_and_takes_no_new_ones(start: Any, switch: Switch) -> None:
    process = await start(*QUIET, "--sip", switch.ws_url, "--drain", "60")
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        dialog = await start_call(desk)
        process.send_signal(signal.SIGTERM)
        assert await process.stdout.readline() == b"draining: 1 call to end, 60 s; once more ends them\n"

        async def refused() -> bool:
            words = {"calledNumber": "9196", "Destination_Number": "9196", "callType": "audio"}
            result = await desk.attempt("makeCall", **words)
            return bool(result["status"] == "failed" and result["error"]["code"] == "stopping")

        await until(refused, "a call that is refused")
        await desk.do("releaseCall", dialogId=dialog)
        await desk.expect("agentInfo", state="LOGOUT")
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert switch.channels() == () and not switch.registered("1000")


async def test_a_second_signal_ends_a_drain_and_its_calls(start: Any, switch: Switch) -> None:
    process = await start(*QUIET, "--sip", switch.ws_url, "--drain", "60")
    _, url = await banner_of(process)
    async with Desk(url) as desk:
        await start_call(desk)
        process.send_signal(signal.SIGTERM)
        assert b"draining" in await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        await desk.expect("dialogState", state="DROPPED")
        await desk.expect("agentInfo", state="LOGOUT")
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert switch.channels() == () and not switch.registered("1000")
