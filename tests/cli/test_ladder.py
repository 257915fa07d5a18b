"""`offhook ladder`: what it draws, what it picks out, what it says where there is nothing to draw."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from offhook.cli.ladder import paint
from offhook.cli.main import main


def block(at: str, who: str, arrow: str, first: str, call: str, method: str) -> str:
    return f"---- {at}  {who} {arrow} FS\n{first}\nCall-ID: {call}\nCSeq: 1 {method}\nContent-Length: 0\n\n"


TRACE = (
    "# two calls\n"
    + block("10:00:00.000", "1000", "->", "INVITE sip:9196@127.0.0.1 SIP/2.0", "aaa-1", "INVITE")
    + block("10:00:00.100", "1000", "<-", "SIP/2.0 486 Busy Here", "aaa-1", "INVITE")
    + block("10:00:01.000", "1001/first", "->", "BYE sip:9196@127.0.0.1 SIP/2.0", "bbb-2", "BYE")
    + block("10:00:01.100", "1001/first", "<-", "SIP/2.0 200 OK", "bbb-2", "BYE")
    + "---- 10:00:02.000  1001/first -> FS\nrubbish\n\n"
)


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.txt"
    path.write_text(TRACE)
    return str(path)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("10:")]


def test_it_draws(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ladder", trace]) == 0
    drawn = lines(capsys)
    assert len(drawn) == 5
    assert "INVITE" in drawn[0] and "486 Busy Here" in drawn[1]
    assert "\x1b" not in "".join(drawn)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--call", "#1"], 2),
        (["--call", "2"], 2),
        (["--call", "bbb"], 2),
        (["--who", "1001"], 3),
        (["--who", "1000", "--who", "1001/first"], 5),
        (["--who", "1001", "--call", "1"], 2),
    ],
)
def test_it_picks_out(trace: str, words: list[str], count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ladder", trace, *words]) == 0
    assert len(lines(capsys)) == count


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--call", "#3"], "no such call is in the trace; there are #1 to #2"),
        (["--call", "zzz"], "no such call"),
        (["--who", "1002"], "nobody of that name is in the trace; there are 1000, 1001/first"),
    ],
)
def test_what_is_not_there(trace: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ladder", trace, *words]) == 1
    assert said in capsys.readouterr().err


def test_files_that_are_no_traces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe no trace")
    assert main(["ladder", str(tmp_path / "x")]) == 1
    assert "is no SIP trace" in capsys.readouterr().err
    assert main(["ladder", str(tmp_path / "y")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main(["ladder", str(tmp_path)]) == 1
    assert "Is a directory" in capsys.readouterr().err


def test_a_file_that_is_too_large(
    trace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("offhook.cli.ladder.MAX_BYTES", 10)
    assert main(["ladder", trace]) == 1
    assert "cut it first" in capsys.readouterr().err


def test_the_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TRACE.encode())))
    assert main(["ladder", "-"]) == 0
    assert len(lines(capsys)) == 5
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["ladder", "-"]) == 1
    assert "the standard input is no SIP trace" in capsys.readouterr().err


def test_colors(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ladder", trace, "--color", "always"]) == 0
    out = capsys.readouterr().out.splitlines()
    colors = [line[:5] for line in out if "10:" in line]
    assert colors == ["\x1b[36m", "\x1b[31m", "\x1b[36m", "\x1b[32m", "\x1b[36m"]
    assert paint("no arrow\n") == "no arrow\n"
