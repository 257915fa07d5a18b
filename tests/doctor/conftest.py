"""The development switch, and doctors that look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from offhook.config import Config
from offhook.doctor.bench import Agent, Bench, Numbers
from offhook.doctor.checks import CHECKS
from offhook.doctor.findings import Finding
from offhook.doctor.plan import chosen, examine
from offhook.switch.server import Switch, SwitchConfig

AGENTS = (Agent("1000", "1234"), Agent("1001", "1234"), Agent("1002", "1234"), Agent("1009", "1234", supervisor=True))

StartSwitch = Callable[..., Awaitable[Switch]]
Examine = Callable[..., Awaitable[dict[str, Finding]]]
OpenBench = Callable[..., Bench]


@pytest.fixture
async def start_switch() -> AsyncIterator[StartSwitch]:
    """Starts development switches; at the end none may have a call left, nor anybody registered."""
    started: list[Switch] = []

    async def start(**options: Any) -> Switch:
        switch = Switch(SwitchConfig(**({"ws_port": 0} | options)))
        await switch.start()
        started.append(switch)
        return switch

    yield start
    for switch in started:
        try:
            assert switch.channels() == ()
            assert not [agent.extension for agent in AGENTS if switch.registered(agent.extension)]
        finally:
            await switch.stop()


@pytest.fixture
async def open_bench(start_switch: StartSwitch) -> AsyncIterator[OpenBench]:
    """Benches at a server; they are closed before the switch is looked at."""
    opened: list[Bench] = []

    def open_one(
        url: str, *, agents: tuple[Agent, ...] = AGENTS, numbers: Numbers | None = None, **options: Any
    ) -> Bench:
        bench = Bench(Config(sip=(url,), **options), agents, numbers)
        opened.append(bench)
        return bench

    yield open_one
    for bench in opened:
        await bench.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses that FreeSWITCH needs, the switch does not."""
    monkeypatch.setattr("offhook.doctor.supervising.DATABASE_SECONDS", 0.1)
    monkeypatch.setattr("offhook.doctor.bench.SETTLE_SECONDS", 0.1)
    monkeypatch.setattr("offhook.doctor.trespassing.BACK_SECONDS", 0.1)


@pytest.fixture
def look(open_bench: OpenBench) -> Examine:
    """Makes checks at a server, and those that they need; findings by name."""

    async def look_at(url: str, *only: str, **options: Any) -> dict[str, Finding]:
        bench = open_bench(url, **options)
        findings = await examine(bench, chosen(CHECKS, only), lambda news: None)
        return {finding.check: finding for finding in findings}

    return look_at
