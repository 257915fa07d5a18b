"""Header lines as text: ordered, as they were spelled, found by name (RFC 3261 section 7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from offhook.errors import LocalError, ParseError
from offhook.sip.grammar import check_text, key, split


class Headers:
    """Header lines in order and as they were spelled; found by name without regard to case, by compact name too."""

    # Parser and messages read these columns too: a lookup must not cost a call where thousands of messages are read.
    __slots__ = ("_keys", "_names", "_typed", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Raises LocalError as `add` does."""
        self._keys: list[str] = []
        self._names: list[str] = []
        self._values: list[str] = []
        # Typed values that were read, by property; emptied by every change.
        self._typed: dict[str, Any] = {}
        for name, value in pairs:
            self.add(name, value)

    @classmethod
    def _of_lines(cls, keys: list[str], names: list[str], values: list[str]) -> Self:
        made = cls.__new__(cls)
        made._keys = keys
        made._names = names
        made._values = values
        made._typed = {}
        return made

    def get(self, name: str) -> str | None:
        """The first value of that name, or None."""
        try:
            return self._values[self._keys.index(_key(name))]
        except ValueError:
            return None

    def all(self, name: str) -> list[str]:
        """The values of that name, one a line."""
        wanted = _key(name)
        return [value for full, value in zip(self._keys, self._values, strict=True) if full == wanted]

    def values(self, name: str) -> list[str]:
        """The values of that name with comma lists taken apart; empty pieces are left out. ParseError."""
        pieces: list[str] = []
        for value in self.all(name):
            pieces += [piece for piece in split(value, ",") if piece]
        return pieces

    def add(self, name: str, value: str) -> None:
        """Append a line. LocalError for a name that is no token, and for CR, LF or NUL in the value."""
        full = _local_key(name)
        check_text(value, f"the value of {name}")
        self._keys.append(full)
        self._names.append(name)
        self._values.append(value.strip(" \t"))
        self._typed.clear()

    def set(self, name: str, value: str) -> None:
        """Put `value` into the first line of that name and remove the others; append a line where there is none."""
        wanted = _local_key(name)
        check_text(value, f"the value of {name}")
        if wanted not in self._keys:
            self.add(name, value)
            return
        at = self._keys.index(wanted)
        self._values[at] = value.strip(" \t")
        for later in range(len(self._keys) - 1, at, -1):
            if self._keys[later] == wanted:
                self._drop(later)
        self._typed.clear()

    def remove(self, name: str) -> None:
        """Remove all lines of that name; none is no error."""
        wanted = _key(name)
        for at in range(len(self._keys) - 1, -1, -1):
            if self._keys[at] == wanted:
                self._drop(at)
        self._typed.clear()

    def _drop(self, at: int) -> None:
        del self._keys[at], self._names[at], self._values[at]

    def _only(self, keys: frozenset[str]) -> Headers:
        kept = [at for at, full in enumerate(self._keys) if full in keys]
        return Headers._of_lines(*([column[at] for at in kept] for column in (self._keys, self._names, self._values)))

    def _keep_first(self, keys: tuple[str, ...]) -> None:
        """Drop all lines of these names but the first."""
        for full in keys:
            while self._keys.count(full) > 1:
                self._drop(len(self._keys) - 1 - self._keys[::-1].index(full))

    def copy(self) -> Headers:
        return Headers._of_lines(self._keys.copy(), self._names.copy(), self._values.copy())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._keys

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Pairs of name as spelled and value."""
        return iter(list(zip(self._names, self._values, strict=True)))

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._keys == other._keys and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        # Names only: values hold numbers of callers and secrets.
        return f"Headers({', '.join(self._names)})"


def _key(name: str) -> str:
    # A name that is no token is found nowhere.
    try:
        return key(name)
    except ParseError:
        return ""


def _local_key(name: str) -> str:
    try:
        return key(name)
    except ParseError:
        raise LocalError("a header name is empty or has a character that it cannot have") from None
