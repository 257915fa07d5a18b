"""Listening, whispering and joining, at the development switch; test_checks.py hears whether it is true."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.doctor.bench import Agent
from offhook.doctor.findings import Outcome, Verdict
from offhook.doctor.handset import Handset
from offhook.switch.directory import Directory, User

USERS = [str(number) for number in range(1000, 1010)]


async def outcome(look: Any, url: str, name: str, **options: Any) -> Outcome:
    found = await look(url, name, media="null", **options)
    made: Outcome = found[name].outcome
    return made


async def test_refused_to_agents(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "monitor-refused")
    assert made.verdict is Verdict.OK and "*441001 403" in made.seen and "as 1009" in made.seen


async def test_whom_everybody_hears(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null", open_eavesdrop=True)
    made = await outcome(look, switch.ws_url, "monitor-refused")
    assert made.verdict is Verdict.FAILED and "881001" in made.seen and "offhook_forbidden_numbers" in made.remedy


async def test_an_agent_that_may_listen(start_switch: Any, look: Any) -> None:
    users = Directory([User(one, one, "1234", "supervisor") for one in USERS])
    switch = await start_switch(media="null", users=users)
    made = await outcome(look, switch.ws_url, "monitor-refused")
    assert made.verdict is Verdict.FAILED and "AGENTS CAN LISTEN" in made.seen and "monitor.lua" in made.remedy


async def test_a_supervisor_that_has_no_role(start_switch: Any, look: Any) -> None:
    users = Directory([User(one, one, "1234") for one in USERS])
    switch = await start_switch(media="null", users=users)
    found = await look(switch.ws_url, "whisper", "barge", media="null")
    made = found["monitor"].outcome
    assert made.verdict is Verdict.FAILED and "403" in made.seen and "offhook_role=supervisor" in made.remedy
    assert found["whisper"].outcome.seen == found["barge"].outcome.seen == "monitor failed"


async def test_another_prefix(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "monitor", monitoring_prefix=("*55",))
    assert made.verdict is Verdict.FAILED and "--monitoring-prefix" in made.remedy


async def test_granted_to_a_supervisor(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "monitor", "whisper", "barge", media="null")
    assert {found[name].outcome.verdict for name in ("monitor", "whisper", "barge")} == {Verdict.OK}, found
    assert "1009" in found["barge"].outcome.seen


async def test_no_supervisor_was_given(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "monitor", agents=(Agent("1000", "1234"), Agent("1001", "1234")))
    assert made.verdict is Verdict.CANNOT and "--supervisor" in made.remedy


async def test_words_that_are_not_heard(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    say = Handset.say

    async def deaf(handset: Handset, leg: Any, event: str, timeout: float = 5.0, **fields: Any) -> Any:
        return await say(handset, leg, event, timeout, **fields) if event == "VARIABLES" else None

    monkeypatch.setattr(Handset, "say", deaf)
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "whisper", "barge", media="null")
    for name, named in (("whisper", "words.lua"), ("barge", "mod_conference")):
        made = found[name].outcome
        assert made.verdict is Verdict.FAILED and named in made.remedy
