"""Desks at a hub with scripted agent sessions: how many there may be, how fast they may ask."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.gateway.desks import masked
from offhook.gateway.interface import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    Limits,
)

# Limits


def test_commands_beyond_the_burst_wait_their_turn_in_order(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(burst=3, per_second=10.0))
    session = bench.login("c1")  # the first of three
    for number in range(6):
        bench.say("c1", "holdCall", dialogId=str(number))
    assert len(session.told) == 3
    bench.run(0.22)
    assert len(session.told) == 5
    bench.run(1.0)
    assert len(session.told) == 7
    bench.run(10.0)
    for number in range(3):
        bench.say("c1", "holdCall", dialogId=str(number))
    assert len(session.told) == 10


def test_a_flood_closes_the_connection(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(burst=3, waiting=5))
    session = bench.login("c1")
    for number in range(7):
        assert bench.closed(bench.say("c1", "holdCall", dialogId=str(number))) == []
    out = bench.say("c1", "holdCall", dialogId="8")
    assert bench.told(out, "c1") == ["error too-fast"]
    assert bench.closed(out) == [("c1", 1008)]
    assert bench.say("c1", "holdCall", dialogId="9") == []
    bench.run(60.0)
    assert len(session.told) == 3, "what waited is dropped"


def test_a_flood_of_large_commands_closes_earlier(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(burst=1, waiting_bytes=1000))
    bench.login("c1")
    assert bench.closed(bench.give(ConnectionReceived("c1", "x" * 900))) == []
    assert bench.closed(bench.give(ConnectionReceived("c1", "x" * 200))) == [("c1", 1008)]


def test_a_trusted_connection_has_no_rate(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(burst=1, waiting=1))
    bench.give(ConnectionOpened("c1", trusted=True))
    for _ in range(100):
        bench.say("c1", "login", extension="1000", password="1234")
    assert len(bench.made[0].told) == 100


@pytest.mark.parametrize("text", ["x" * 65537, "\u20ac" * 21846], ids=["ascii", "octets, not characters"])
def test_too_large(make_bench: Any, text: str) -> None:
    bench = make_bench()
    bench.give(ConnectionOpened("c1"))
    out = bench.give(ConnectionReceived("c1", text))
    assert bench.told(out, "c1") == ["error too-large"]
    assert bench.closed(out) == [("c1", 1009)]


def test_connections_are_finite(make_bench: Any) -> None:
    bench = make_bench(limits=Limits(connections=2))
    assert [bench.closed(bench.give(ConnectionOpened(f"c{n}"))) for n in range(3)] == [[], [], [("c2", 1013)]]
    assert bench.told(bench.out, "c2") == ["error too-many-connections"]
    bench.give(ConnectionClosed("c0"))
    bench.give(ConnectionClosed("c2"))
    assert bench.closed(bench.give(ConnectionOpened("c3"))) == []


def test_masked() -> None:
    assert (masked("1000"), masked("10"), masked("")) == ("..00", "..", "..")


def test_a_bug_before_the_login_is_told(make_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract §1: never silence. An agent tells its desks itself."""
    bench = make_bench(limits=Limits(burst=1))
    bench.give(ConnectionOpened("c1"))

    def broken(*_: Any) -> None:
        raise TypeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("offhook.gateway.logins.Logins.login", broken)
        with pytest.raises(TypeError):
            bench.say("c1", "login", extension="1000", password="1234")
        assert bench.told(bench.drain(), "c1") == ["error internal"]
        bench.say("c1", "login", extension="1000", password="1234")
        bench.say("c1", "login", extension="1000", password="1234")
        with pytest.raises(TypeError):
            bench.run(1.0)
    bench.run(10.0)
    assert [session.told for session in bench.made] == [[("login", "c1")]], "the last one had its turn"
