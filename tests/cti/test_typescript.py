"""The declarations: complete, closed under their own names, and tsc takes them where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from offhook.cti import schema
from offhook.cti.commands import Command
from offhook.cti.events import ToDesk
from offhook.cti.typescript import typescript

TEXT = typescript()
BUILT_IN = {"string", "number", "boolean", "null", "unknown", "Record", "Extract", "Command", "Message", "A", "E"}
# Strings and comments are taken out before names are looked at.
BARE = re.sub(r'/\*\*.*?\*/|//[^\n]*|"(?:[^"\\]|\\.)*"', "", TEXT, flags=re.DOTALL)


def test_every_name_is_declared_once() -> None:
    declared = re.findall(r"^export (?:interface|type) (\w+)", BARE, re.MULTILINE)
    assert len(declared) == len(set(declared))
    used = set(re.findall(r"(?<=[:|&<( ])\s*([A-Z]\w*)(?=\s*[;|&\[\])>,]|$)", BARE, re.MULTILINE))
    assert used - set(declared) <= BUILT_IN, used - set(declared) - BUILT_IN


def test_it_is_balanced_and_typed_throughout() -> None:
    for opening, closing in ("{}", "[]", "()", "<>"):
        assert BARE.count(opening) == BARE.count(closing), opening
    assert " any" not in BARE
    members = re.findall(r"^ +(\w+\??): [^;]*?(;|\{)$", BARE, re.MULTILINE)
    assert len(members) > 200


@pytest.mark.parametrize("kind", [*get_args(Command), *get_args(ToDesk)], ids=lambda kind: kind.__name__)
def test_each_has_its_tag_and_is_in_its_union(kind: type) -> None:
    suffix, key = ("Command", "action") if kind in get_args(Command) else ("Message", "event")
    name = kind.__name__ + suffix
    assert re.search(rf'export interface {name} \{{\n  {key}: "{schema.tag_of(kind)}";', TEXT)
    assert f"\n  | {name}" in TEXT.partition(f"export type {suffix} =")[2]


def test_what_is_exact_stays_exact() -> None:
    assert "isCallEnded: 0 | 1;" in TEXT
    assert '} & { dialog: { state: "ALERTING" } }' in re.sub(r"\s+", " ", TEXT).replace("; }", " }").replace(
        "DialogResponse & {", "} & {"
    )
    assert "callVariables: Record<string, string>;" in TEXT
    assert "seq?: number;" in TEXT and "dialogs: Dialog[];" in TEXT and "parameter?: {} | null;" in TEXT
    assert "/** Blind transfer (Single Step Transfer). */\nexport interface SSTCommand {" in TEXT


USE = """
import type { Command, CommandOf, Message, MessageOf } from "./offhook";
const hold: Command = { action: "holdCall", parameter: { dialogId: "d" }, id: "1" };
const out: Command = { action: "logout" };
// @ts-expect-error
const missing: Command = { action: "holdCall", parameter: {} };
// @ts-expect-error
const unknown: Command = { action: "hold", parameter: {} };
// @ts-expect-error
const wrong: CommandOf<"convertCall">["parameter"] = { dialogId: "d", streamType: "tv", streamStatus: "on" };
declare const digits: MessageOf<"DTMF">;
const sent: 0 | 1 = digits.response.type;
export function heard(message: Message): string {
  switch (message.event) {
    case "newInboundCall": return message.response.dialog.customerNumber;
    case "dialogState": return message.response.dialog === null ? "" : message.response.dialog.id;
    case "mediaConversion": return message.dialog.streamStatus;
    case "commandResult": return message.error?.code ?? message.status;
    default: return message.response.loginId;
  }
}
"""


@pytest.mark.skipif(shutil.which("tsc") is None, reason="no tsc here: npm install -g typescript")
def test_tsc_takes_it(tmp_path: Path) -> None:
    (tmp_path / "offhook.d.ts").write_text(TEXT)
    (tmp_path / "use.ts").write_text(USE)
    words = ["tsc", "--noEmit", "--strict", "--skipLibCheck", "false", "use.ts", "offhook.d.ts"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
