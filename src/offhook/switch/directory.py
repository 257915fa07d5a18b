"""Who may register: the users of the switch.

The built-in users are those of FreeSWITCH's well-known sample configuration. Their password is public: the switch
listens on loopback unless it is told otherwise, and says so when it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from offhook.errors import ConfigError

SAMPLE_PASSWORD = "1234"


@dataclass(frozen=True, slots=True)
class User:
    """One user: `number` is what others dial, `name` is shown to those it calls."""

    number: str
    name: str
    password: str = field(repr=False)


class Directory:
    """The users, by number."""

    def __init__(self, users: Iterable[User]) -> None:
        self._users = {user.number: user for user in users}

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def __len__(self) -> int:
        return len(self._users)

    def find(self, number: str) -> User | None:
        return self._users.get(number)

    def password(self, number: str) -> str | None:
        user = self._users.get(number)
        return None if user is None else user.password

    @classmethod
    def sample(cls) -> Directory:
        """1000 to 1019, password 1234, called Extension 1000 and so on."""
        return cls(User(str(n), f"Extension {n}", SAMPLE_PASSWORD) for n in range(1000, 1020))

    @classmethod
    def parse(cls, text: str) -> Directory:
        """Read a TOML text with one table a user; raises ConfigError.

        [users.1000]
        password = "secret"
        name = "Alice"          # optional; else "Extension 1000"
        """
        remedy = 'Write one table a user: [users.1000] with password = "..." and, if you like, name = "..."'
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError("users", f"not TOML: {error}", remedy) from None
        tables = data.get("users")
        if not isinstance(tables, dict) or not tables:
            raise ConfigError("users", "there is no user", remedy)
        return cls(_user(number, table, remedy) for number, table in tables.items())


def _user(number: str, table: object, remedy: str) -> User:
    where = f"users.{number}"
    if not number.isascii() or not number.isalnum() or len(number) > 32:
        raise ConfigError(where, "a number is 1 to 32 letters and digits", remedy)
    if not isinstance(table, dict):
        raise ConfigError(where, "is no table", remedy)
    if unknown := set(table) - {"password", "name"}:
        raise ConfigError(f"{where}.{min(unknown)}", "is unknown", remedy)
    password, name = table.get("password"), table.get("name", f"Extension {number}")
    if not isinstance(password, str) or not password:
        raise ConfigError(f"{where}.password", "is missing or no text", remedy)
    if not isinstance(name, str) or any(ord(char) < 32 or char in '"\\' for char in name):
        raise ConfigError(f"{where}.name", 'must be text without control characters, " and \\', remedy)
    return User(number, name, password)
