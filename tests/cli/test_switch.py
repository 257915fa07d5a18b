from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from offhook.cli.switch import SipTrace, add_arguments, run
from offhook.sip.tracing import read_trace

COMMAND = """
import argparse, sys
from offhook.cli import switch
parser = argparse.ArgumentParser()
switch.add_arguments(parser)
sys.exit(switch.run(parser.parse_args()))
"""


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["--media", "null", *given])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--listen", "nowhere"), "--listen: 'nowhere' is no HOST:PORT"),
        (("--listen", "127.0.0.1:99999"), "--listen"),
        (("--listen", "127.0.0.1:0", "--wss-listen", "0.0.0.0:0"), "--wss-listen"),
        (("--listen", "127.0.0.1:0", "--udp-listen", "0.0.0.0:0"), "--udp-listen: is on another host than --listen"),
        (("--listen", "127.0.0.1:0", "--tcp-listen", "5060"), "--tcp-listen: '5060' is no HOST:PORT"),
    ],
)
def test_what_is_wrong_is_said(given: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(*given)) == 2
    assert says in capsys.readouterr().err


def test_transfers_as_freeswitch_has_them_by_itself() -> None:
    assert arguments("--stock-transfers").stock_transfers and not arguments().stock_transfers


def test_whom_it_imitates() -> None:
    assert (arguments().imitate, arguments("--imitate", "efcx").imitate) == ("freeswitch", "efcx")


def test_users_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = tmp_path / "users.toml"
    users.write_text("[users.1000]\n")
    assert run(arguments("--users", str(users))) == 2
    assert "users.1000.password" in capsys.readouterr().err
    assert run(arguments("--users", str(tmp_path / "none.toml"))) == 1


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(arguments("--listen", f"127.0.0.1:{taken.getsockname()[1]}")) == 1
    assert "give another port" in capsys.readouterr().err


async def test_it_runs_until_it_is_told_to_end(tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    flags = ["--media", "null", "--listen", "127.0.0.1:0", "--wss-listen", "127.0.0.1:0", "--sip-trace", str(trace)]
    flags += ["--udp-listen", "127.0.0.1:0", "--tcp-listen", "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, *flags, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    async with asyncio.timeout(30):
        line = (await process.stdout.readline()).decode()
        assert line.startswith("offhook switch listens on ws://127.0.0.1:") and " and wss://127.0.0.1:" in line
        assert " and udp:127.0.0.1:" in line and " and tcp:127.0.0.1:" in line
        async with aiohttp.ClientSession() as session, session.ws_connect(line.split()[4], protocols=("sip",)) as ws:
            await ws.send_str(
                "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/WS x;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
                "From: <sip:x>;tag=f\r\n"
                "To: <sip:x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            assert (await ws.receive_str()).startswith("SIP/2.0 200 OK")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert b"public password" not in await process.stderr.read()
    assert [message.sent for message in read_trace(trace.read_text())] == [True, False]


async def test_it_warns_of_a_public_password(caplog: pytest.LogCaptureFixture) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "--media", "null", "--listen", "0.0.0.0:0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    async with asyncio.timeout(30):
        await process.stdout.readline()
        process.terminate()
        assert await process.wait() == 0
        assert b"public password" in await process.stderr.read()


def test_secrets_are_not_traced(tmp_path: Path) -> None:
    with SipTrace(tmp_path / "t") as trace:
        assert (tmp_path / "t").stat().st_mode & 0o777 == 0o600
        trace("ws-1", False, b'REGISTER sip:x SIP/2.0\r\nAuthorization: Digest response="abc", nonce="n"\r\n\r\n')
    text = (tmp_path / "t").read_text()
    assert " ws-1 -> FS\n" in text and "abc" not in text
