"""The parts of the desk that know no page, a case of cases.mjs each; and that its messages are complete."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offhook.cti.errors import CODES

if TYPE_CHECKING:
    from playwright.async_api import Page

HERE = Path(__file__).parent
DESK = HERE.parents[2] / "src" / "offhook" / "web" / "desk"
CASES = re.findall(r'^  "(.+?)": (?:async )?\(', (HERE / "cases.mjs").read_text(encoding="utf-8"), re.MULTILINE)
OWN_CODES = ("not-connected", "connection-lost", "resume-failed", "closed", "internal", "ended")
"""What connection.mjs says itself."""
FORMS = re.compile(r"\.(zero|one|two|few|many|other)$")
LANGUAGES = sorted(path.stem for path in (DESK / "messages").glob("*.json"))


def path_of(language: str) -> Path:
    return DESK / "messages" / f"{language}.json"


def messages(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(path_of(language).read_text(encoding="utf-8"))
    return found


def base(key: str) -> str:
    """The key of English that a plural form belongs to; any other key as it is: `error.other` is no form of `error`."""
    counted = FORMS.sub("", key)
    return counted if counted in messages("en") else key


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_the_keys_of_english_each_once_and_in_its_order(language: str) -> None:
    """A key of which a language has plural forms (`key.one`, `key.few`, ...) counts as that key."""
    pairs: list[tuple[str, str]] = json.loads(path_of(language).read_text(encoding="utf-8"), object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert sorted(key for key, times in Counter(keys).items() if times > 1) == []
    own, english = ([*dict.fromkeys(base(key) for key in found)] for found in (keys, messages("en")))
    assert {"missing": sorted({*english} - {*own}), "too much": sorted({*own} - {*english})} == {
        "missing": [],
        "too much": [],
    }
    assert own == english


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_message_with_plural_forms_has_all_of_its_language(blank: Page, language: str) -> None:
    """The forms are those by which text.mjs chooses; where one lacks, the key itself stands for `other`."""
    categories: list[str] = await blank.evaluate(
        "(language) => new Intl.PluralRules(language).resolvedOptions().pluralCategories", language
    )
    own = messages(language)
    counted = {base(key) for found in (own, messages("en")) for key in found if base(key) != key}
    assert {"calls.count", "notice.looked"} <= counted
    for key in sorted(counted):
        forms = {name for name in own if name.startswith(f"{key}.") and base(name) == key}
        needed = {f"{key}.{category}" for category in categories}
        assert forms | ({f"{key}.other"} if key in own else set()) == needed, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_has_the_places_that_english_fills(language: str) -> None:
    """None left out, none that stays unfilled; a form for one number alone may say it in words."""
    english = messages("en")
    for key, text in messages(language).items():
        placed, wanted = (set(re.findall(r"\{(\w+)\}", each)) for each in (text, english[base(key)]))
        in_words = {"count"} if base(key) != key and key.endswith((".zero", ".one", ".two")) else set()
        assert wanted - in_words <= placed <= wanted, key


def test_nothing_is_written_as_markup_or_loaded_from_elsewhere() -> None:
    for path in DESK.rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"insertAdjacentHTML|document\.write|\beval\(|new Function|innerHTML\s*=", text), path
        assert not re.search(r'(src|href)="(https?:)?//', text), path
        if path.suffix == ".html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path
