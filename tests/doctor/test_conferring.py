"""Words and conferences, at the development switch; test_checks.py hears whether it is true."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.cti.words import Word
from offhook.doctor.findings import Verdict
from offhook.doctor.handset import Handset


async def test_well(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "conference", media="null")
    assert found["words"].outcome.verdict is Verdict.OK, found["words"]
    assert found["conference"].outcome.verdict is Verdict.OK, found["conference"]
    assert {"1000", "1001", "1002"} <= set(found["conference"].outcome.seen.replace(",", "").split())


async def test_a_server_that_hears_no_words(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    word = Handset.word

    async def sooner(handset: Handset, fits: Any, timeout: float = 5.0, **more: Any) -> Any:
        return await word(handset, fits, 0.3, **more)

    monkeypatch.setattr(Handset, "word", sooner)
    switch = await start_switch(media="null", imitate="efcx")
    found = await look(switch.ws_url, "conference", media="null")
    made = found["words"].outcome
    assert made.verdict is Verdict.FAILED and "lua.conf.xml" in made.remedy and "RECV_INFO" in made.remedy
    assert found["conference"].outcome.seen == "words failed"


async def test_a_word_that_is_refused(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(handset: Handset, leg: Any, event: str, timeout: float = 5.0, **fields: Any) -> Word:
        if event == "VARIABLES":
            return Word(event="DONE", id="x")
        return Word(event="CONSULT_CONFERENCE_FAILED", id="x", reason="NOT_ALLOWED")

    monkeypatch.setattr(Handset, "say", refused)
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "conference", media="null")
    made = found["conference"].outcome
    assert made.verdict is Verdict.FAILED and "NOT_ALLOWED" in made.seen and "conference_profile.xml" in made.remedy


async def test_another_dialect(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null", imitate="efcx")
    found = await look(switch.ws_url, "conference", media="null", dialect="efcx")
    assert found["words"].outcome.verdict is Verdict.CANNOT and "efcx" in found["words"].outcome.seen
    assert found["conference"].outcome.verdict is Verdict.SKIPPED
