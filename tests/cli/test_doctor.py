"""`offhook doctor` as a command: flags, passwords, output, status, and that nothing is left behind."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from offhook.cli import doctor
from offhook.cli.main import main, new_parser
from offhook.cli.serve import new_config
from offhook.config import Config
from offhook.doctor.checks import CHECKS
from offhook.errors import ConfigError
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import until

FILE = "".join(f'[users.{user}]\npassword = "1234"\n' for user in ("1000", "1001", "1009")) + 'role = "supervisor"\n'


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    yield switch
    await switch.stop()


@pytest.fixture
def agents(tmp_path: Path) -> str:
    path = tmp_path / "agents.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return str(path)


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(doctor.PASSWORD, raising=False)
    yield


def parsed(*words: str) -> argparse.Namespace:
    return new_parser("doctor").parse_args(["doctor", *words])


def agents_of(*words: str) -> dict[str, tuple[str, bool]]:
    args = parsed(*words)
    found = doctor.agents_of(args, new_config(args))
    return {agent.extension: (agent.password, agent.supervisor) for agent in found}


def test_it_takes_the_flags_of_serve() -> None:
    assert new_config(parsed()) == Config()
    assert new_config(parsed("--sip", "ws://a:1", "--domain", "b")).sip_domain == "b"


def test_agents_of_a_file(agents: str, capsys: pytest.CaptureFixture[str]) -> None:
    want = {"1000": ("1234", False), "1001": ("1234", False), "1009": ("1234", True)}
    assert agents_of("--agents", agents) == want
    assert agents_of("--agents", agents, "--supervisor", "1001")["1001"] == ("1234", True)
    assert capsys.readouterr().err == ""
    Path(agents).chmod(0o644)
    assert agents_of("--agents", agents) == want
    assert "chmod 600" in capsys.readouterr().err


def test_passwords_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFHOOK_PASSWORD", "same")
    monkeypatch.setenv("OFFHOOK_PASSWORD_1001", "own")
    found = agents_of("--agent", "1000", "--agent", "1001", "--supervisor", "1009")
    assert found == {"1000": ("same", False), "1001": ("own", False), "1009": ("same", True)}


def test_passwords_are_asked_for_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: f"typed for {prompt}")
    assert agents_of("--agent", "1000") == {"1000": ("typed for password of 1000: ", False)}


def test_no_password_is_taken_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="password is asked for") as refused:
        agents_of("--agent", "1000:secret")
    assert "secret" not in str(refused.value)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match="OFFHOOK_PASSWORD_1000"):
        agents_of("--agent", "1000")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("x", "is not TOML"),
        ("users = 1", "has no users"),
        ("[users.1000]\nrole = 'agent'", "no password for 1000"),
        ("[users]\n1000 = 'x'", "no password for 1000"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "agents.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        agents_of("--agents", str(path))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "everything"], "there is no check 'everything'"),
        (["--time-limit", "0"], "--time-limit: 0 is not possible"),
        (["--agents", "/no/such/file"], "--agents: '/no/such/file' cannot be read"),
        (["--sip", "ws://"], "--sip"),
    ],
)
def test_wrong_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *words]) == 2
    assert said in capsys.readouterr().err


def test_help_names_the_checks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    out = capsys.readouterr().out
    assert all(check.name in out.replace("\n", " ") for check in CHECKS if "-" not in check.name)


async def finished(process: asyncio.subprocess.Process) -> tuple[str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return out.decode(), err.decode()


async def test_a_server_that_is_well(start: Any, switch: Switch, agents: str) -> None:
    process = await start(
        "doctor", "--sip", switch.ws_url, "--media", "null", "--agents", agents, "--only", "hold", "--only", "digest"
    )
    out, err = await finished(process)
    assert (process.returncode, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "ok      name              127.0.0.1"
    assert [line.split()[1] for line in lines if line.startswith("ok")][-1] == "hold"
    assert lines[-1].startswith("9 ok; ")
    assert switch.channels() == () and not switch.registered("1000")


async def test_one_that_is_not_and_as_json(start: Any, switch: Switch, agents: str) -> None:
    words = (
        "doctor",
        "--sip",
        switch.ws_url,
        "--media",
        "null",
        "--agents",
        agents,
        "--echo",
        "9404",
        "--only",
        "hold",
    )
    process = await start(*words, "--json")
    out, _ = await finished(process)
    whole = json.loads(out)
    assert process.returncode == whole["exitStatus"] == 1
    assert [one["verdict"] for one in whole["checks"]][-2:] == ["failed", "skipped"]
    assert whole["counts"] == {"ok": 6, "failed": 1, "cannot": 0, "skipped": 1}
    assert "1234" not in out
    process = await start(*words)
    out, _ = await finished(process)
    assert process.returncode == 1
    assert "mend: Give a number" in out and out.rstrip().endswith("Mend first: echo")


async def test_without_extensions_it_looks_at_the_way(start: Any, switch: Switch) -> None:
    process = await start("doctor", "--sip", switch.ws_url, "--media", "null")
    out, _ = await finished(process)
    assert process.returncode == 0
    assert "cannot  register" in out and "how: Give --agents FILE" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stopped_in_the_middle_nothing_is_left(
    start: Any, switch: Switch, agents: str, number: signal.Signals
) -> None:
    process = await start(
        "doctor", "--sip", switch.ws_url, "--media", "null", "--agents", agents, "--only", "attended-transfer"
    )

    async def calling() -> bool:
        return len(switch.channels()) > 0

    await until(calling, "a call of the doctor")
    process.send_signal(number)
    _, err = await finished(process)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "stopped: ending calls, logging out"

    async def nothing() -> bool:
        return switch.channels() == () and not any(switch.registered(one) for one in ("1000", "1001", "1009"))

    await until(nothing, "nothing left at the switch")


def test_a_terminal_shows_which_check_runs(capsys: pytest.CaptureFixture[str]) -> None:
    progress = doctor.Progress(True, False, 34)
    progress.tell(CHECKS[0])
    assert "the server's name is known (1 of 34)" in capsys.readouterr().err
    progress.wipe()
    assert capsys.readouterr().err == "\r\x1b[K"
    doctor.Progress(False, True, 34).tell(CHECKS[0])
    assert capsys.readouterr() == ("", "")
