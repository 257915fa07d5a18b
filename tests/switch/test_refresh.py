from __future__ import annotations

from offhook.clock import Now, Timers
from offhook.switch.refresh import SessionTimer
from offhook.testing.clock import VirtualClock


class Leg:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.timer = SessionTimer(self, self.timers, 120)
        self.happened: list[tuple[str, float]] = []

    def refresh_session(self, now: Now) -> None:
        self.happened.append(("refresh", now.monotonic))

    def session_expired(self, now: Now) -> None:
        self.happened.append(("expired", now.monotonic))

    def wait(self) -> None:
        self.clock.run(self.timers, until=1000.0)


def test_we_refresh_within_four_seconds_of_half_the_interval() -> None:
    for chance, at in ((0.0, 57.0), (0.5, 59.0), (0.999, 60.996)):
        leg = Leg()
        leg.timer.refresh_ourselves(leg.clock.now(), chance)
        leg.wait()
        assert leg.happened == [("refresh", at)]


def test_the_peer_refreshes() -> None:
    leg = Leg()
    leg.timer.refresh_ourselves(leg.clock.now(), 0.0)
    leg.timer.expect_refresh(leg.clock.now())
    leg.clock.run(leg.timers, until=40.0)
    leg.timer.expect_refresh(leg.clock.now())
    leg.wait()
    assert leg.happened == [("expired", 148.0)]


def test_stopped() -> None:
    leg = Leg()
    leg.timer.expect_refresh(leg.clock.now())
    leg.timer.stop()
    leg.wait()
    assert leg.happened == []
