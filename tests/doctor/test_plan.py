"""Order, needs, limits and failures of checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from offhook.config import Config
from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Finding, Outcome, Verdict, cannot, failed, ok
from offhook.doctor.plan import Check, chosen, examine
from offhook.errors import ConfigError, MediaError, StateError


def check(name: str, result: Outcome | Exception | None, *needs: str, limit: float = 5.0) -> Check:
    async def run(bench: Bench) -> Outcome:
        if isinstance(result, Exception):
            raise result
        if result is None:
            await asyncio.Event().wait()
        assert result is not None
        return result

    return Check(name, name.upper(), run, needs, limit)


@pytest.fixture
def bench() -> Bench:
    return Bench(Config(), ())


def nobody(news: Any) -> None: ...


async def run(bench: Bench, *checks: Check, **options: Any) -> dict[str, Outcome]:
    return {finding.check: finding.outcome for finding in await examine(bench, checks, nobody, **options)}


def test_chosen_brings_what_is_needed_in_order() -> None:
    checks = (check("a", ok("")), check("b", ok(""), "a"), check("c", ok("")), check("d", ok(""), "b"))
    assert [one.name for one in chosen(checks, ["d"])] == ["a", "b", "d"]
    assert chosen(checks, []) == checks
    with pytest.raises(ConfigError, match="there is no check 'x'"):
        chosen(checks, ["x"])


async def test_what_needs_something_that_failed_is_skipped_and_says_what(bench: Bench) -> None:
    found = await run(
        bench,
        check("a", failed("x", "y")),
        check("b", ok(""), "a"),
        check("c", ok(""), "b"),
        check("d", ok("")),
        check("e", cannot("no")),
        check("f", ok(""), "e"),
    )
    assert [one.verdict.value for one in found.values()] == ["failed", "skipped", "skipped", "ok", "cannot", "skipped"]
    assert found["b"].seen == found["c"].seen == "a failed"
    assert found["f"].seen == "e cannot be done"


@pytest.mark.parametrize(
    ("error", "verdict", "says"),
    [
        (CheckEnded(failed("known", "do")), Verdict.FAILED, "known"),
        (StateError("no flow"), Verdict.FAILED, "lost meanwhile"),
        (MediaError("no codec"), Verdict.FAILED, "no codec"),
        (ZeroDivisionError("oh"), Verdict.CANNOT, "a bug in this check"),
    ],
)
async def test_what_a_check_raises(bench: Bench, error: Exception, verdict: Verdict, says: str) -> None:
    found = await run(bench, check("a", error), check("b", ok("")))
    assert found["a"].verdict is verdict and says in found["a"].seen
    assert found["b"].verdict is Verdict.OK


async def test_limits(bench: Bench) -> None:
    found = await run(bench, check("a", None, limit=0.01))
    assert found["a"].verdict is Verdict.FAILED and "within 0.01 s" in found["a"].seen
    found = await run(bench, check("a", None), check("b", ok("")), time_limit=0.02)
    assert found["a"].verdict is Verdict.FAILED
    assert found["b"].seen == "time is up (0.02 s)"


async def test_a_wrong_configuration_is_not_the_servers_fault(bench: Bench) -> None:
    with pytest.raises(ConfigError):
        await run(bench, check("a", ConfigError("media", "x", "y")))


async def test_news(bench: Bench) -> None:
    heard: list[Check | Finding] = []
    tell: Callable[[Check | Finding], None] = heard.append
    findings = await examine(bench, [one := check("a", ok("x"))], tell)
    assert heard == [one, findings[0]]
