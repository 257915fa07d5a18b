"""What a run has at hand."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.doctor.bench import TONES, Agent, Bench, not_rung
from offhook.doctor.findings import CheckEnded, Verdict
from offhook.doctor.leg import Leg
from offhook.errors import ConfigError
from offhook.sip.events import End, SessionEnded


def test_the_tones_can_be_told_apart_and_are_in_the_band() -> None:
    assert len(set(TONES)) == len(TONES) and min(TONES) > 300 and max(TONES) < 3900


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(Agent("1000", "secret"))


async def test_too_many(open_bench: Any) -> None:
    with pytest.raises(ConfigError, match="too many"):
        open_bench("ws://127.0.0.1:1", agents=tuple(Agent(str(number), "x") for number in range(9)))


async def registered(bench: Bench, count: int = 4) -> None:
    for agent in bench.everybody[:count]:
        bench.handsets[agent.extension] = handset = bench.new_handset(agent.extension, agent.password)
        await handset.connect()


async def test_who_is_there(start_switch: Any, open_bench: Any) -> None:
    switch = await start_switch(media="null")
    bench: Bench = open_bench(switch.ws_url, media="null")
    with pytest.raises(CheckEnded, match="not registered"):
        bench.first()
    for missing in (bench.third, bench.supervisor):
        with pytest.raises(CheckEnded):
            missing()
    await registered(bench)
    assert [one.line.user for one in (bench.first(), bench.second(), bench.third(), bench.supervisor())] == [
        "1000",
        "1001",
        "1002",
        "1009",
    ]
    alone: Bench = open_bench(switch.ws_url, agents=(Agent("1003", "1234"),))
    with pytest.raises(CheckEnded, match="second agent") as ended:
        alone.second()
    assert ended.value.outcome.verdict is Verdict.CANNOT


async def test_a_talk_and_its_end(start_switch: Any, open_bench: Any) -> None:
    switch = await start_switch(media="null")
    bench: Bench = open_bench(switch.ws_url, media="null")
    await registered(bench, 2)
    leg, there = await bench.talk(bench.first(), bench.second())
    assert leg.up and there.up and len(switch.channels()) == 2
    assert await bench.both_hear((bench.first(), leg)) == ""
    with pytest.raises(CheckEnded, match="no audio"):
        await bench.heard_by(bench.first(), leg)
    await bench.clear()
    assert leg.end is not None and there.end is not None


async def test_nobody_is_rung(start_switch: Any, open_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = await start_switch(media="null")
    bench: Bench = open_bench(switch.ws_url, media="null")
    await registered(bench, 1)
    called = bench.new_handset("1001", "1234")  # it never connects
    called_rings = called.rings

    async def at_once(*_: Any, **__: Any) -> Leg | None:
        return await called_rings(0.5)

    monkeypatch.setattr(called, "rings", at_once)
    with pytest.raises(CheckEnded, match="did not ring"):
        await bench.talk(bench.first(), called)


@pytest.mark.parametrize(
    ("status", "named"), [(403, "user_context"), (488, "codec"), (480, "contact.lua"), (404, "offhook_agent_numbers")]
)
def test_why_a_phone_did_not_ring(status: int, named: str) -> None:
    leg = Leg("x", end=SessionEnded("x", End.REFUSED, True, status, "No"))
    outcome = not_rung("1001", leg)
    assert f"{status} No" in outcome.seen and named in outcome.remedy
