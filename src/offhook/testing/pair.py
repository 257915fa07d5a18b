"""User agents on a network in memory, ready to talk.

    with call_pair() as pair:
        client, server = pair.establish()
        pair.client.agent.hangup(client, pair.now)
        assert pair.server.expect(SessionEnded).end is End.BYE

    with scripted_pair() as (client, peer):
        client.call("sip:1001@example.org")
        invite = peer.expect_request("INVITE")

Clients are registered and nothing of that is left in `heard`. A test that fails shows the ladder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from offhook.clock import Now, Timers
from offhook.sip.events import AnswerReceived, Established, InviteReceived, Registered, RequestReceived, SipEvent
from offhook.sip.fields import Address
from offhook.sip.message import Request
from offhook.sip.timers import Timing
from offhook.sip.uri import Uri
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds
from offhook.testing.network import Conditions, Host, Network
from offhook.testing.script import ScriptedPeer

DOMAIN = "example.org"
URL = "ws://server"
PASSWORD = "1234"


def sdp(who: str, version: int = 1, direction: str = "sendrecv") -> str:
    """A small session description; user agents do not look into it, beyond its o= line."""
    return (
        f"v=0\r\no={who} 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        f"m=audio 4000 RTP/AVP 0\r\na={direction}\r\n"
    )


Told = TypeVar("Told")


class Party:
    """A user agent on the network."""

    def __init__(self, host: Host, agent: UserAgent) -> None:
        self.host = host
        self.agent = agent

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def now(self) -> Now:
        return self.host.network.now()

    @property
    def heard(self) -> list[SipEvent]:
        """What it told and nobody has looked at."""
        return list(self.host.heard)

    def next(self, kind: type[Told], within: float = 60.0) -> Told:
        """The next event, which must be of that kind; see `Host.next`."""
        return self.host.next(kind, within)

    def expect(self, kind: type[Told], within: float = 60.0) -> Told:
        """The next event of that kind; see `Host.expect`."""
        return self.host.expect(kind, within)

    def call(self, target: str, offer: str | None = None, **more: Any) -> str:
        """Call somebody with a small offer; gives the session."""
        return self.agent.invite(target, offer or sdp(self.name), self.now, **more)


class CallPair:
    """Registered clients and the server side that they are registered with."""

    def __init__(self, network: Network, server: Party, clients: list[Party]) -> None:
        self.network = network
        self.server = server
        self.clients = clients
        self.registrations: dict[str, Request] = {}
        """The last REGISTER of each client, by its name."""
        self.flows: dict[str, str] = {}
        """The server's name for the flow of each client."""

    @property
    def client(self) -> Party:
        """The first client."""
        return self.clients[0]

    @property
    def now(self) -> Now:
        return self.network.now()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.network.run(seconds)

    def call_client(self, client: Party | None = None, *, offer: str | None = None, **more: Any) -> str:
        """Let the server call a client; gives the server's session."""
        client = client or self.client
        contact = self.registrations[client.name].contact
        assert contact is not None
        return self.server.agent.invite(
            str(contact.uri),
            offer or sdp(self.server.name),
            self.now,
            flow=self.flows[client.name],
            from_=Address(None, Uri.sip("caller", DOMAIN)),
            contact=Address(None, Uri.sip("caller", f"{self.server.name}.invalid")),
            **more,
        )

    def establish(self, caller: Party | None = None) -> tuple[str, str]:
        """An answered call of a client to the server, or of the server to the first client.

        Gives the session as the client knows it and as the server does.
        """
        caller = caller or self.client
        if caller is self.server:
            called = self.client
            calling = self.call_client()
        else:
            called = self.server
            calling = caller.call(f"sip:9196@{DOMAIN}")
        incoming = called.expect(InviteReceived).session
        called.agent.accept(incoming, sdp(called.name), self.now)
        caller.expect(AnswerReceived)
        caller.expect(Established)
        called.expect(Established)
        return (incoming, calling) if caller is self.server else (calling, incoming)

    def serve(self, event: SipEvent) -> None:
        """What the server does with its events: it registers clients and keeps everything else as heard."""
        if not isinstance(event, RequestReceived) or event.request.method != "REGISTER":
            self.server.host.heard.append(event)
            return
        request = event.request
        user = request.to.uri.user or ""
        self.registrations[user] = request
        self.flows[user] = event.flow
        headers = [("Contact", contact) for contact in request.headers.all("Contact")]
        expires = request.headers.get("Expires")
        if expires is not None:
            headers.append(("Expires", expires))
        self.server.agent.respond(event.key, 200, self.now, headers=headers)


def add_client(network: Network, name: str, *, timing: Timing | None = None, seed: int = 0, **account: Any) -> Party:
    """Put a user agent with an account on the network, not started yet. `account`: other values of its `Account`."""
    timers = Timers()
    made = Account(**{"user": name, "domain": DOMAIN, "password": PASSWORD, "servers": (URL,), **account})
    agent = UserAgent(made, timers=timers, ids=SeededIds(seed), timing=timing)
    return Party(network.add(name, agent, timers=timers), agent)


@contextmanager
def call_pair(
    *, clients: int = 1, seed: int = 0, conditions: Conditions | None = None, timing: Timing | None = None
) -> Iterator[CallPair]:
    """A server side and so many registered clients, `1000`, `1001` and on."""
    network = Network(seed=seed, conditions=conditions)
    timers = Timers()
    agent = UserAgent(
        None, timers=timers, ids=SeededIds(seed + 1), timing=timing, name="server", pass_up=frozenset({"REGISTER"})
    )
    server = Party(network.add("server", agent, url=URL, timers=timers), agent)
    parties = [add_client(network, str(1000 + at), timing=timing, seed=seed + 2 + at) for at in range(clients)]
    pair = CallPair(network, server, parties)
    server.host.perform = pair.serve
    with ladder_on_failure(network):
        for client in parties:
            client.agent.start(client.now)
            client.expect(Registered)
        yield pair


@contextmanager
def scripted_pair(
    *, seed: int = 0, conditions: Conditions | None = None, timing: Timing | None = None, register: bool = True
) -> Iterator[tuple[Party, ScriptedPeer]]:
    """A client `1000` and a scripted server. With `register` it is registered already, and stays so by itself."""
    network = Network(seed=seed, conditions=conditions)
    peer = ScriptedPeer(network, "server", url=URL, answers=("REGISTER",) if register else (), seed=seed + 1)
    client = add_client(network, "1000", timing=timing, seed=seed + 2)
    with ladder_on_failure(network):
        client.agent.start(client.now, register=register)
        if register:
            client.expect(Registered)
        else:
            network.run_until(lambda: client.agent.connected, what="a connection")
            client.host.heard.clear()
        yield client, peer


@contextmanager
def ladder_on_failure(network: Network) -> Iterator[None]:
    """Whatever is raised inside gets the ladder as a note, unless it shows it already."""
    try:
        yield
    except Exception as failure:
        if network.messages and "\n\n" not in str(failure):
            failure.add_note(network.ladder())
        raise
