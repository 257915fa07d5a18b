"""The checks in their order, and the running of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Finding, Outcome, Verdict, cannot, failed, skipped
from offhook.errors import ConfigError, OffhookError, StateError

TIME_LIMIT = 240.0
"""Seconds for a whole run; what has not begun by then is skipped."""


@dataclass(frozen=True, slots=True)
class Check:
    """`run` finds it out; it may raise `CheckEnded`. `needs`: checks without which it is not begun."""

    name: str
    title: str
    run: Callable[[Bench], Awaitable[Outcome]]
    needs: tuple[str, ...] = ()
    limit: float = 25.0
    """Seconds."""


Tell = Callable[[Check | Finding], None]
"""Hears each check as it begins, and each finding."""


def chosen(checks: Iterable[Check], names: Iterable[str]) -> tuple[Check, ...]:
    """Those of the names with all that they need, in their order; all where there are no names. Raises ConfigError."""
    checks = tuple(checks)
    known = {check.name: check for check in checks}
    wanted: set[str] = set()
    open_names = list(names)
    if not open_names:
        return checks
    while open_names:
        name = open_names.pop()
        if name not in known:
            raise ConfigError("--only", f"there is no check {name!r}", f"Give {', '.join(known)}")
        if name not in wanted:
            wanted.add(name)
            open_names += known[name].needs
    return tuple(check for check in checks if check.name in wanted)


async def examine(
    bench: Bench, checks: Iterable[Check], tell: Tell, *, time_limit: float = TIME_LIMIT
) -> list[Finding]:
    """Run checks one after the other; the calls of each are ended before the next begins. The bench stays open."""
    findings: list[Finding] = []
    lost: dict[str, str] = {}
    """Checks that are not ok, and why those that need them are skipped."""
    end = time.monotonic() + time_limit
    for check in checks:
        tell(check)
        begun = time.monotonic()
        why = next((lost[name] for name in check.needs if name in lost), None)
        if begun >= end:
            outcome = skipped(f"time is up ({time_limit:g} s)")
        elif why is not None:
            outcome = skipped(why)
        else:
            outcome = await _outcome(bench, check, min(check.limit, end - begun))
        finding = Finding(check.name, check.title, outcome, time.monotonic() - begun)
        if outcome.verdict is Verdict.SKIPPED:
            lost[check.name] = outcome.seen
        elif outcome.verdict is not Verdict.OK:
            lost[check.name] = f"{check.name} {'failed' if outcome.verdict is Verdict.FAILED else 'cannot be done'}"
        findings.append(finding)
        tell(finding)
    return findings


async def _outcome(bench: Bench, check: Check, limit: float) -> Outcome:
    try:
        async with asyncio.timeout(limit):
            return await check.run(bench)
    except CheckEnded as ended:
        return ended.outcome
    except TimeoutError:
        return failed(f"no end of it within {limit:g} s", "Run it alone with --sip-trace FILE, and look at the trace")
    except StateError as error:
        return failed(f"the connection or the call was lost meanwhile: {error}", "Look at the server's log")
    except ConfigError:
        raise
    except OffhookError as error:
        return failed(str(error), "Run it alone with --sip-trace FILE, and look at the trace")
    except Exception as error:  # broad: a bug in one check, told as what it is, must not cost the others
        return cannot(f"a bug in this check: {error!r}", "Report it")
    finally:
        await bench.clear()
