"""Transfers and queues, at the development switch."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.doctor.bench import Agent, Numbers
from offhook.doctor.findings import Outcome, Verdict
from offhook.doctor.handset import Handset
from offhook.sip.events import ReferFailed


async def outcome(look: Any, url: str, name: str, **options: Any) -> Outcome:
    found = await look(url, name, media="null", **options)
    made: Outcome = found[name].outcome
    return made


async def test_confirmed(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "transfer-back", "attended-transfer", media="null")
    assert found["transfer-back"].outcome.verdict is Verdict.OK, found["transfer-back"]
    assert found["attended-transfer"].outcome.seen == "1002 has 1001, and is told 1001"


async def test_not_confirmed(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null", confirm_blind_transfer=False)
    found = await look(switch.ws_url, "transfer-back", "blind-transfer", media="null")
    made = found["transfer-back"].outcome
    assert made.verdict is Verdict.FAILED and "confirm-blind-transfer" in made.remedy, made
    assert found["blind-transfer"].outcome.verdict is Verdict.OK


async def test_refused(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any) -> ReferFailed:
        return ReferFailed("s", "i", 603, "Decline")

    monkeypatch.setattr("offhook.doctor.transferring.outcome_of", refused)
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "transfer-back", "blind-transfer", "attended-transfer", media="null")
    assert "disable-transfer" in found["transfer-back"].outcome.remedy
    assert "603 Decline" in found["blind-transfer"].outcome.seen
    assert "603 Decline" in found["attended-transfer"].outcome.seen


async def test_nothing_is_told(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offhook.doctor.transferring.OUTCOME_SECONDS", 0.1)
    monkeypatch.setattr(Handset, "refer", lambda *_, **__: "none")
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "transfer-back", "blind-transfer", "attended-transfer", media="null")
    assert "no outcome was told" in found["transfer-back"].outcome.seen
    assert "offhook_service_numbers" in found["blind-transfer"].outcome.remedy
    assert "no outcome" in found["attended-transfer"].outcome.seen


async def test_it_takes_three(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    two = (Agent("1000", "1234"), Agent("1001", "1234"))
    made = await outcome(look, switch.ws_url, "attended-transfer", agents=two)
    assert made.verdict is Verdict.CANNOT and "third" in made.remedy


@pytest.mark.parametrize(
    ("number", "verdict", "said"),
    [
        ("", Verdict.CANNOT, "no queue was named"),
        ("99887766-support", Verdict.OK, "rings 1001 with its data"),
        ("99887766-sales", Verdict.FAILED, "99887766-sales: "),
    ],
)
async def test_queues(start_switch: Any, look: Any, number: str, verdict: Verdict, said: str) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "queue", numbers=Numbers(queue=number))
    assert made.verdict is verdict and said in made.seen, made
    if verdict is Verdict.FAILED:
        assert "callcenter.conf.xml" in made.remedy


async def test_a_queue_without_an_agent_of_ours(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offhook.doctor.transferring.AGENT_SECONDS", 0.3)
    switch = await start_switch(media="null")
    others = (Agent("1000", "1234"), Agent("1003", "1234"))
    made = await outcome(look, switch.ws_url, "queue", numbers=Numbers(queue="99887766-support"), agents=others)
    assert made.verdict is Verdict.OK and "tiers" in made.notes[0]
