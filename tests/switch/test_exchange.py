from __future__ import annotations

import re
from typing import Any

from offhook.clock import Now
from offhook.media.engine import CreateOffer, EngineEvent, MediaConnected, OfferCreated
from offhook.switch.exchange import Heap, IvrDigits, Party, failed
from offhook.testing.clock import VirtualClock


def test_names_look_like_freeswitchs(bench: Any) -> None:
    exchange = bench.node._exchange
    names = {exchange.uuid() for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", name) for name in names)
    assert exchange.cseq() + 1 == exchange.cseq()


def test_an_outcome_goes_to_who_asked_once(bench: Any) -> None:
    exchange = bench.node._exchange
    told: list[EngineEvent] = []
    exchange.ask(lambda name: CreateOffer(name, "m"), lambda event, now: told.append(event))
    outcome = OfferCreated(exchange.out[-1].id, "m", "v=0")
    assert exchange.pending() == 1
    assert exchange.engine_answered(outcome, bench.now) and told == [outcome]
    assert not exchange.engine_answered(outcome, bench.now)
    assert not exchange.engine_answered(MediaConnected("m"), bench.now)
    assert exchange.pending() == 0 and not failed(outcome)


def test_a_heap_knows_when_it_was_fired() -> None:
    heap, clock = Heap(), VirtualClock(monotonic=5.0)
    fired: list[float] = []

    class Owner:
        def handle_timer(self, timer: str, now: Now) -> None:
            fired.append(now.monotonic)

    heap.set(Owner(), "x", 7.0)
    clock.run(heap, until=9.0)
    assert fired == [7.0] and heap.fired_at.monotonic == 7.0


def test_who_called_is_not_shown() -> None:
    assert "1000" not in repr(Party("Extension 1000", "1000")) and "42" not in repr(IvrDigits("u", "1000", "42"))


def test_a_party_has_no_control_characters() -> None:
    assert Party("a\r\nb\x00", "1\x7f2\n") == Party("ab", "12")
