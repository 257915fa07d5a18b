"""The command line as a whole: finding commands, errors in words, exit statuses."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from offhook import __version__
from offhook.cli.main import COMMANDS, in_flags, main
from offhook.errors import ConfigError


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"offhook {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: offhook {name}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["dance"], ["serve", "--dance"], ["serve", "--gra", "5"], ["ladder"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: offhook" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--media", "loud"], "offhook serve: --media: 'loud' is not known. Give local, browser or null.\n"),
        (["serve", "--listen", "nowhere"], "--listen: 'nowhere' has no port."),
        (["serve", "--listen", "0.0.0.0:1"], "Give --tls-certificate and --tls-key"),
        (["serve", "--sip", ","], "--sip: no server is named."),
        (["serve", "--media-address", "x"], "--media-address: 'x' is no IP address"),
        (["serve", "--sip-trace", "/no/such/folder/x"], "--sip-trace: '/no/such/folder/x' cannot be written"),
    ],
)
def test_a_wrong_value_names_the_flag_and_what_it_may_be(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_and_a_flag_that_is_one_already(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        @staticmethod
        def add_arguments(parser: object) -> None: ...

        @staticmethod
        def run(args: object) -> int:
            raise KeyboardInterrupt

    class Wrong(Interrupted):
        @staticmethod
        def run(args: object) -> int:
            raise ConfigError("--users", "it is empty", "Name a user.")

    monkeypatch.setattr(importlib, "import_module", lambda name: Interrupted)
    assert main(["serve"]) == 130
    monkeypatch.setattr(importlib, "import_module", lambda name: Wrong)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == "offhook serve: --users: it is empty. Name a user.\n"


def test_in_flags() -> None:
    assert in_flags("Give tls_key, or set insecure_listen.") == "Give --tls-key, or set --insecure-listen"


def test_as_a_module_into_a_pipe_that_closes() -> None:
    words = [sys.executable, "-m", "offhook", "ladder", "-"]
    block = "---- 10:00:00.000  1000 -> FS\nBYE sip:1@2 SIP/2.0\nCall-ID: a\nCSeq: 1 BYE\n\n"
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()  # as `head` does when it has seen enough
    process.stdin.write(block * 5000)
    process.stdin.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
