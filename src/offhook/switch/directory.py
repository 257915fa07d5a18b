"""Who may register: the users of the switch; and the queues in which they answer calls.

The built-in users are those of FreeSWITCH's well-known sample configuration. Their password is public: the switch
listens on loopback unless it is told otherwise, and says so when it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from offhook.errors import ConfigError

SAMPLE_PASSWORD = "1234"
SAMPLE_SUPERVISOR = "1009"
SAMPLE_AGENT = "1001"
"""Of the queue `support`, number 5900."""

Role = Literal["agent", "supervisor"]
"""Only supervisors may listen to the calls of others (FreeSWITCH: the variable `offhook_role`)."""


@dataclass(frozen=True, slots=True)
class User:
    """One user: `number` is what others dial, `name` is shown to those it calls."""

    number: str
    name: str
    password: str = field(repr=False)
    role: Role = "agent"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue: calls to `number`, and to `<any number>-<name>`, go to whichever of the agents has been idle longest.

    An agent is rung `ring_seconds`, rung again `again_seconds` after it has not taken a call, and left alone
    `rest_seconds` after one that it took. The defaults are those of the recorded FreeSWITCH (trace 14b).
    """

    name: str
    agents: tuple[str, ...]
    number: str | None = None
    ring_seconds: float = 15.0
    again_seconds: float = 3.0
    rest_seconds: float = 2.0


class Directory:
    """The users, by number; and the queues, by name."""

    def __init__(self, users: Iterable[User], queues: Iterable[Queue] = ()) -> None:
        self._users = {user.number: user for user in users}
        self.queues = {queue.name: queue for queue in queues}

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def __len__(self) -> int:
        return len(self._users)

    def find(self, number: str) -> User | None:
        return self._users.get(number)

    def password(self, number: str) -> str | None:
        user = self._users.get(number)
        return None if user is None else user.password

    def supervises(self, number: str | None) -> bool:
        """Whether that user may listen to the calls of others."""
        user = self._users.get(number or "")
        return user is not None and user.role == "supervisor"

    def with_queues(self, queues: Iterable[Queue]) -> Directory:
        """The same users with other queues."""
        return Directory(self, queues)

    @classmethod
    def sample(cls) -> Directory:
        """1000 to 1019, password 1234, called Extension 1000 and so on; 1009 is a supervisor.

        One queue: `support`, which is number 5900, with agent 1001.
        """
        numbers = [str(number) for number in range(1000, 1020)]
        users = [
            User(each, f"Extension {each}", SAMPLE_PASSWORD, "supervisor" if each == SAMPLE_SUPERVISOR else "agent")
            for each in numbers
        ]
        return cls(users, [Queue("support", (SAMPLE_AGENT,), "5900")])

    @classmethod
    def parse(cls, text: str) -> Directory:
        """Read a TOML text with one table a user, and one a queue; raises ConfigError.

        [users.1000]
        password = "secret"
        name = "Alice"          # optional; else "Extension 1000"
        role = "supervisor"     # optional; else "agent"

        [queues.support]        # reached as 5900, and as <any number>-support
        agents = ["1000"]
        number = "5900"         # optional
        """
        remedy = 'Write one table a user: [users.1000] with password = "..." and, if you like, name = "..."'
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError("users", f"not TOML: {error}", remedy) from None
        tables = data.get("users")
        if not isinstance(tables, dict) or not tables:
            raise ConfigError("users", "there is no user", remedy)
        users = [_user(number, table, remedy) for number, table in tables.items()]
        queues = data.get("queues", {})
        if not isinstance(queues, dict):
            raise ConfigError("queues", "is no table", _QUEUE_REMEDY)
        known = {user.number for user in users}
        return cls(users, [_queue(name, table, known) for name, table in queues.items()])


def _user(number: str, table: object, remedy: str) -> User:
    where = f"users.{number}"
    if not number.isascii() or not number.isalnum() or len(number) > 32:
        raise ConfigError(where, "a number is 1 to 32 letters and digits", remedy)
    if not isinstance(table, dict):
        raise ConfigError(where, "is no table", remedy)
    if unknown := set(table) - {"password", "name", "role"}:
        raise ConfigError(f"{where}.{min(unknown)}", "is unknown", remedy)
    password, name = table.get("password"), table.get("name", f"Extension {number}")
    if not isinstance(password, str) or not password:
        raise ConfigError(f"{where}.password", "is missing or no text", remedy)
    if not isinstance(name, str) or any(ord(char) < 32 or char in '"\\' for char in name):
        raise ConfigError(f"{where}.name", 'must be text without control characters, " and \\', remedy)
    role = table.get("role", "agent")
    if role not in get_args(Role):
        raise ConfigError(f"{where}.role", f"is none of {', '.join(get_args(Role))}", remedy)
    return User(number, name, password, role)


_QUEUE_REMEDY = 'Write one table a queue: [queues.support] with agents = ["1000"] and, if you like, number = "5900"'


def _queue(name: str, table: object, known: set[str]) -> Queue:
    where = f"queues.{name}"
    if not name.isascii() or not name.isalnum() or len(name) > 32:
        raise ConfigError(where, "a name is 1 to 32 letters and digits", _QUEUE_REMEDY)
    if not isinstance(table, dict):
        raise ConfigError(where, "is no table", _QUEUE_REMEDY)
    if unknown := set(table) - {"agents", "number"}:
        raise ConfigError(f"{where}.{min(unknown)}", "is unknown", _QUEUE_REMEDY)
    agents, number = table.get("agents"), table.get("number")
    if (
        not isinstance(agents, list)
        or not agents
        or not all(isinstance(agent, str) and agent in known for agent in agents)
    ):
        raise ConfigError(f"{where}.agents", "is no list of users' numbers", _QUEUE_REMEDY)
    if number is not None and (not isinstance(number, str) or not number.isascii() or not number.isalnum()):
        raise ConfigError(f"{where}.number", "must be a text of letters and digits", _QUEUE_REMEDY)
    return Queue(name, tuple(agents), number)
