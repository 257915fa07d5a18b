"""The parts of the desk that know no page, a case of cases.mjs each; and that its messages are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offhook.cti.errors import CODES

if TYPE_CHECKING:
    from playwright.async_api import Page

HERE = Path(__file__).parent
DESK = HERE.parents[2] / "src" / "offhook" / "web" / "desk"
CASES = re.findall(r'^  "(.+?)": \(desk\)', (HERE / "cases.mjs").read_text(encoding="utf-8"), re.MULTILINE)
OWN_CODES = ("not-connected", "connection-lost", "resume-failed", "closed", "internal")
"""What connection.mjs says itself."""
FORMS = re.compile(r"\.(zero|one|two|few|many|other)$")


def messages(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((DESK / "messages" / f"{language}.json").read_text(encoding="utf-8"))
    return found


def sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(DESK.rglob("*.mjs")))


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", CASES)
async def test_case(blank: Page, pages: str, name: str) -> None:
    await blank.evaluate(
        "async ([base, name]) => { const { run } = await import(`${base}cases.mjs`); await run(base, name); }",
        [pages, name],
    )


def test_every_error_code_has_a_sentence() -> None:
    english = messages("en")
    missing = [code for code in (*CODES, *OWN_CODES) if f"error.{code}" not in english]
    assert missing == []
    for code in CODES:
        assert english[f"error.{code}"].endswith((".", "?")), code


def test_every_message_that_a_view_names_is_there() -> None:
    english = messages("en")
    named = set(re.findall(r'(?:\bt|\.text|\bsay)\((?:[^()"`]*, )?"([a-z][A-Za-z]*\.[\w.-]+)"', sources()))
    named |= set(re.findall(r'"(say\.[\w.]+|notice\.[\w.]+)"', sources()))
    assert len(named) > 120
    assert sorted(key for key in named if key not in english) == []


def test_other_languages_translate_what_there_is() -> None:
    english = messages("en")
    for path in (DESK / "messages").glob("*.json"):
        own = messages(path.stem)
        assert [key for key in own if key not in english and FORMS.sub("", key) not in english] == []
        for key, text in own.items():
            base = english.get(key) or english[FORMS.sub("", key)]
            assert set(re.findall(r"\{\w+\}", text)) <= set(re.findall(r"\{\w+\}", base)) | {"{count}"}, key


def test_nothing_is_written_as_markup_or_loaded_from_elsewhere() -> None:
    for path in DESK.rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"insertAdjacentHTML|document\.write|\beval\(|new Function|innerHTML\s*=", text), path
        assert not re.search(r'(src|href)="(https?:)?//', text), path
        if path.suffix == ".html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path
