"""Tokens of connections: the warning, the renewal, the end."""

from __future__ import annotations

from offhook.clock import Now, Timers
from offhook.cti.events import TokenExpiring
from offhook.gateway.interface import Role, Token
from offhook.gateway.passes import Passes

WALL = 1_800_000_000.0


class Bench:
    def __init__(self) -> None:
        self.timers = Timers()
        self.told: list[tuple[str, object]] = []
        self.passes = Passes(self.timers, 60.0, warn=self.warn, end=lambda name, now: self.told.append((name, "end")))

    def warn(self, connection: str, message: TokenExpiring) -> None:
        self.told.append((connection, message.response.seconds))

    def at(self, seconds: float) -> list[tuple[str, object]]:
        self.timers.fire(Now(seconds, WALL + seconds))
        told, self.told = self.told, []
        return told


def token(seconds: float, role: Role = "agent") -> Token:
    return Token("1000", role, "", WALL + seconds)


def test_a_warning_then_the_end() -> None:
    bench = Bench()
    bench.passes.use("c1", token(600), Now(0.0, WALL))
    assert bench.at(539) == []
    assert bench.at(540) == [("c1", 60)]
    assert bench.at(600) == [("c1", "end")]


def test_a_renewal_moves_both() -> None:
    bench = Bench()
    bench.passes.use("c1", token(100), Now(0.0, WALL))
    assert bench.at(40) == [("c1", 60)]
    bench.passes.use("c1", token(1000), Now(50.0, WALL + 50))
    assert bench.at(939) == []
    assert bench.at(940) == [("c1", 60)]


def test_a_short_one_is_warned_of_at_once_and_what_is_gone_is_not() -> None:
    bench = Bench()
    bench.passes.use("c1", token(10), Now(0.0, WALL))
    bench.passes.use("c2", token(10), Now(0.0, WALL))
    bench.passes.drop("c2")
    assert bench.at(0) == [("c1", 10)]
    assert bench.passes.of("c2") is None


def test_supervisors() -> None:
    bench = Bench()
    bench.passes.use("c1", token(10), Now(0.0, WALL))
    bench.passes.use("c2", token(10, "supervisor"), Now(0.0, WALL))
    assert not bench.passes.supervise(["c1", "c3"])
    assert bench.passes.supervise(["c1", "c2"])
    bench.passes.use("c2", None, Now(0.0, WALL))
    assert not bench.passes.supervise(["c1", "c2"])
