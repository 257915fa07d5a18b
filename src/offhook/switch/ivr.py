"""The menu of 5000: asks for one to five digits, three times at most (FreeSWITCH's play_and_get_digits)."""

from __future__ import annotations

from typing import Protocol

from offhook.clock import Now, Timers
from offhook.switch.tones import PROMPT, SILENCE, WRONG, Player

MAX_DIGITS = 5
TRIES = 3
ENTRY_SECONDS = 6.0
"""So long it waits for the first digit, after the prompt."""
DIGIT_SECONDS = 2.5
"""So long for each further one."""


class Asker(Protocol):
    """Who asked for the digits."""

    player: Player

    def digits_collected(self, digits: str, now: Now) -> None:
        """The menu is over; empty when nothing valid was dialled."""
        ...


class Menu:
    """Collects the digits of one caller. `#` ends them early; anything but digits is wrong."""

    def __init__(self, asker: Asker, timers: Timers) -> None:
        self._asker = asker
        self._timers = timers
        self._digits = ""
        self._tries = 0
        self._over = False

    def start(self, now: Now) -> None:
        """Play the prompt and listen."""
        self._tries += 1
        self._digits = ""
        self._asker.player.play(PROMPT, now, self._prompted)

    def stop(self) -> None:
        """The caller is gone."""
        self._over = True
        self._timers.cancel(self, "entry", "digit")
        self._asker.player.stop()

    def digit(self, digit: str, now: Now) -> None:
        """The caller pressed a key; during the prompt too, which ends it."""
        if self._over:
            return
        self._asker.player.play(SILENCE, now)
        self._timers.cancel(self, "entry", "digit")
        if digit == "#":
            self._judge(now)
            return
        self._digits += digit
        if len(self._digits) == MAX_DIGITS:
            self._judge(now)
        else:
            self._timers.set(self, "digit", now.monotonic + DIGIT_SECONDS)

    def handle_timer(self, timer: str, now: Now) -> None:
        """No (further) digit came."""
        self._judge(now)

    def _prompted(self, now: Now) -> None:
        self._timers.set(self, "entry", now.monotonic + ENTRY_SECONDS)

    def _judge(self, now: Now) -> None:
        if self._digits.isascii() and self._digits.isdigit():
            self._end(self._digits, now)
        else:
            self._digits = ""
            self._asker.player.play(WRONG, now, self._wrong)

    def _wrong(self, now: Now) -> None:
        if self._tries < TRIES:
            self.start(now)
        else:
            self._end("", now)

    def _end(self, digits: str, now: Now) -> None:
        self._over = True
        self._asker.digits_collected(digits, now)
