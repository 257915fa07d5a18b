from __future__ import annotations

import pytest

from offhook.clock import Now, Timers
from offhook.switch.ivr import Menu
from offhook.switch.tones import Player
from offhook.testing.clock import VirtualClock


class Caller:
    """Dials into a menu."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.player = Player(self.timers, lambda source: None)
        self.collected: list[tuple[float, str]] = []
        self.menu = Menu(self, self.timers)
        self.menu.start(self.clock.now())

    def digits_collected(self, digits: str, now: Now) -> None:
        self.collected.append((round(now.monotonic, 3), digits))

    def dial(self, digits: str, at: float) -> None:
        self.clock.run(self.timers, until=at)
        for digit in digits:
            self.menu.digit(digit, self.clock.now())

    def wait(self) -> None:
        self.clock.run(self.timers, until=100.0)


@pytest.mark.parametrize(
    ("dialled", "at", "collected"),
    [
        ("78#", 1.0, (1.0, "78")),
        ("1", 2.0, (4.5, "1")),
        ("12345", 2.0, (2.0, "12345")),
        ("1", 0.1, (2.6, "1")),  # into the prompt
        ("123456789", 1.0, (1.0, "12345")),
    ],
)
def test_digits(dialled: str, at: float, collected: tuple[float, str]) -> None:
    caller = Caller()
    caller.dial(dialled, at)
    caller.wait()
    assert caller.collected == [collected]


def test_nobody_dials() -> None:
    caller = Caller()
    caller.wait()
    # Three times the prompt (0.8 s), the wait (6 s) and the tone that says so (0.4 s).
    assert caller.collected == [(21.6, "")]


def test_what_is_no_number_is_asked_again() -> None:
    caller = Caller()
    caller.dial("*1#", 1.0)
    caller.dial("#", 3.0)
    caller.dial("42#", 5.0)
    caller.wait()
    assert caller.collected == [(5.0, "42")]


def test_a_caller_who_hangs_up() -> None:
    caller = Caller()
    caller.dial("1", 1.0)
    caller.menu.stop()
    caller.menu.digit("2", caller.clock.now())
    caller.wait()
    assert caller.collected == [] and len(caller.timers) == 0
