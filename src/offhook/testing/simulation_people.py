"""The people of the simulation: a page that comes and goes, agents who work at it, customers who call.

They see what their page was told and nothing else, do one thing at a time, and wait for the outcome of each.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Protocol

from offhook.clock import Now, Timers
from offhook.testing.ledger import BrokenRule, Ledger, Told
from offhook.testing.simulation_gateway import Gateway, Json

PASSWORD = "1234"
IN_CALLS = ("ACTIVE", "HELD")
LONGEST_COMMAND = 60.0
"""Seconds that a command may take while its connection lives: 40 from when its turn came (contract §1), and that a
call may be on its way back before."""
QUEUE = "5900"


class Place(Protocol):
    """Where the people are."""

    timers: Timers

    def now(self) -> Now: ...

    def heard(self, page: Page, message: Json) -> None:
        """A page heard an event, after its ledger found nothing wrong with it."""

    def note(self, extension: str, text: str) -> None:
        """For who reads about a failure."""

    def trouble(self, extension: str, seconds: float) -> None:
        """What that agent is promised is suspended for so long."""

    def numbers(self, but: str) -> list[str]:
        """Of the agents, without that one."""


class Page:
    """One connection at a time, for one agent: it logs in, and later resumes from the last event that it heard."""

    def __init__(self, place: Place, gateway: Gateway, extension: str, name: str = "page") -> None:
        self.extension = extension
        self.ledger = Ledger(extension, longest=LONGEST_COMMAND)
        self.outcomes: Counter[str] = Counter()
        """By action and status or code of the failure."""
        self.connection: str | None = None
        self.present = False
        """It has what there is: it logged in or resumed on the connection that it has."""
        self.stream: str | None = None
        self.seq = 0
        self.gateway = gateway
        self._place = place
        self._name = name
        self._asked = 0
        self._entering: str | None = None

    # Coming and going

    def open(self) -> None:
        """Connect; where nobody is there, again in a moment."""
        self.connection = self.gateway.connect(self)
        if self.connection is None:
            self._again(0.5)
        elif self.stream is None:
            self._login()
        else:
            parameter = {"extension": self.extension, "password": PASSWORD, "stream": self.stream, "seq": self.seq}
            self._entering = self.command("resume", parameter)

    def leave(self, seconds: float) -> None:
        """The page is closed, or reloaded, for so long."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            self.gateway.disconnect(connection)
            self._lost(seconds)

    def closed(self) -> None:
        """The gateway is gone."""
        self.connection = None
        self._lost(0.3)

    def _lost(self, seconds: float) -> None:
        self.present = False
        self.ledger.forget()
        self._again(seconds)

    def _again(self, seconds: float) -> None:
        self._place.timers.set(self, "open", self._place.now().monotonic + seconds)

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "login":
            if self.connection is not None:
                self._login()
        elif self.connection is None:
            self.open()

    def _login(self) -> None:
        self._entering = self.command("login", {"extension": self.extension, "password": PASSWORD})

    # Commands

    def command(self, action: str, parameter: dict[str, Any]) -> str:
        """Give a command; its id."""
        assert self.connection is not None, "nobody would hear it"
        self._asked += 1
        id = f"{self._name}{self._asked}"
        self.ledger.asked(id, action, self.connection, self._place.now().monotonic)
        about = parameter.get("dialogId", "")[:8]
        number = parameter.get("calledNumber") or parameter.get("numberToTransfer") or parameter.get("numberToConsult")
        self._place.note(self.extension, f"> {action} {id} {about} {number or ''}")
        self.gateway.say(self.connection, {"action": action, "parameter": parameter, "id": id})
        return id

    # What it hears

    def hear(self, message: Json) -> None:
        if message["event"] == "commandResult":
            self._outcome(message)
        elif message["event"] == "snapshot":
            raise BrokenRule(f"agent {self.extension}: a snapshot, although its events since {self.seq} are kept")
        elif message.get("seq") is not None:
            self._event(message)

    def _outcome(self, message: Json) -> None:
        connection = self.connection
        self.ledger.replied(connection, message, self._place.now().monotonic)
        error = message["error"]
        self._place.note(self.extension, f"< {message['id']} {message['status']} {error['code'] if error else ''}")
        self.outcomes[f"{message['action']} {message['status'] if error is None else error['code']}"] += 1
        if message["id"] != self._entering:
            return
        self._entering = None
        if error is None:
            self.present = True
            if message["action"] == "login" and self.stream is None:
                self.stream, self.seq = message["result"]["stream"], message["result"]["seq"]
        elif message["action"] == "resume":
            self._begin_anew()
        else:
            self._place.timers.set(self, "login", self._place.now().monotonic + 2.0)

    def _begin_anew(self) -> None:
        """The agent was logged out while nobody was here, or by us."""
        self.stream, self.seq, self.present = None, 0, False
        self.ledger = Ledger(self.extension, longest=LONGEST_COMMAND)
        self._login()

    def _event(self, message: Json) -> None:
        stream, seq = message["stream"], message["seq"]
        if self.stream is None:
            self.stream = stream
        if (stream, seq) != (self.stream, self.seq + 1):
            raise BrokenRule(f"agent {self.extension}: {stream} {seq} comes after {self.stream} {self.seq}")
        self.seq = seq
        dialog = message.get("response", {}).get("dialog") or {}
        about = [dialog.get(key) for key in ("state", "callType", "callEndReason", "isCallEnded")] if dialog else []
        self._place.note(self.extension, f"< {message['event']} {dialog.get('id', '')[:8]} {about or ''}")
        self._follow(message)
        self._place.heard(self, message)

    def _follow(self, message: Json) -> None:
        self.ledger.published(message)


class Board(Page):
    """A second page of the same agent, which only looks: it joins at any moment."""

    def _follow(self, message: Json) -> None:
        """Its numbers alone are looked at; it has not seen how the calls began."""

    def _begin_anew(self) -> None:
        self.stream, self.seq, self.present = None, 0, False
        self._login()


class Person:
    """Somebody at a page; `act` is called every few seconds."""

    pace = (1.0, 4.0)

    def __init__(self, place: Place, page: Page, chance: Random) -> None:
        self.page = page
        self.place = place
        self.chance = chance
        self.working = True
        """False: ends all calls and makes no more."""
        self.willing: set[str] = set()
        """Dialogs that this person has asked to end, or to pass on."""
        self.lost_one = 0.0
        """When a call ended last."""
        self.made = 0
        """Calls of this person's own."""
        self.leaves: dict[str, float] = {}
        """When it is enough of a call."""
        self.rests = place.now().monotonic + chance.uniform(0.0, 5.0)
        """Until then no call is made."""
        self._asked = ""
        self._tick()

    def handle_timer(self, timer: str, now: Now) -> None:
        self._tick()
        page = self.page
        if page.present and self._asked not in page.ledger.waiting():
            self._look(now)
            self.act(page.ledger.live, now)

    def _tick(self) -> None:
        self.place.timers.set(self, "act", self.place.now().monotonic + self.chance.uniform(*self.pace))

    def _look(self, now: Now) -> None:
        live = self.page.ledger.live
        for id in [id for id in self.leaves if id not in live]:
            del self.leaves[id]
            self.rests = now.monotonic + self.rest()
        for id, call in live.items():
            if call.state in IN_CALLS and id not in self.leaves:
                self.leaves[id] = now.monotonic + self.talks()

    def talks(self) -> float:
        return self.chance.uniform(40.0, 200.0)

    def rest(self) -> float:
        return self.chance.uniform(5.0, 40.0)

    def act(self, live: dict[str, Told], now: Now) -> None:
        raise NotImplementedError

    def does(self, action: str, id: str | None = None, *, ends: bool = False, **parameter: Any) -> None:
        """Give a command about a call; `ends`: it may end it."""
        if ends and id is not None:
            self.willing.add(id)
        self._asked = self.page.command(action, {**({} if id is None else {"dialogId": id}), **parameter})

    def calls(self, number: str) -> None:
        self.made += 1
        self.does("makeCall", calledNumber=number, Destination_Number="800", callType="audio")

    def ends_all(self, live: dict[str, Told]) -> bool:
        """Where no more work is to be done: end one call after the other."""
        if self.working:
            return False
        for id, call in live.items():
            self.does("rejectCall" if call.state == "ALERTING" else "releaseCall", id, ends=True)
            break
        return True


class Customer(Person):
    """Calls an agent or the queue, waits a while, talks, goes."""

    pace = (2.0, 5.0)

    def act(self, live: dict[str, Told], now: Now) -> None:
        if self.ends_all(live):
            return
        if not live:
            if now.monotonic >= self.rests:
                agent = self.chance.choice(self.place.numbers(self.page.extension))
                self.calls(QUEUE if self.chance.random() < 0.4 else f"6{agent[1:]}")
            return
        for id, call in live.items():
            if call.state == "ALERTING":  # nobody calls customers, but a transfer may come back
                self.does("answerCall", id)
                return
            if call.state not in IN_CALLS:
                self.leaves.setdefault(id, now.monotonic + self.chance.uniform(10.0, 25.0))
            if now.monotonic >= self.leaves.get(id, now.monotonic + 1.0):
                self.does("releaseCall", id, ends=True)
                return


class Agent(Person):
    """Answers, talks, holds, transfers, consults, confers, wraps up; calls somebody where nobody calls."""

    def talks(self) -> float:
        return self.chance.uniform(60.0, 240.0)

    def act(self, live: dict[str, Told], now: Now) -> None:
        if self.ends_all(live):
            return
        ringing = [id for id, call in live.items() if call.state == "ALERTING"]
        if ringing:
            self._answer(ringing[0], now)
            return
        if not live:
            if now.monotonic >= self.rests:
                self._call_somebody()
            return
        mine = [(id, call) for id, call in live.items() if _is_own_consult(call, self.page.extension)]
        if mine:
            self._consulting(*mine[0], live, now)
            return
        id, call = self.chance.choice(list(live.items()))
        if call.state not in IN_CALLS:
            if now.monotonic >= self.leaves.setdefault(id, now.monotonic + self.chance.uniform(8.0, 20.0)):
                self.does("releaseCall", id, ends=True)
        elif now.monotonic >= self.leaves.get(id, now.monotonic + 1.0):
            self.does("releaseCall", id, ends=True)
        elif self.chance.random() < 0.08:
            self._talking(id, call)

    def _answer(self, id: str, now: Now) -> None:
        if self.chance.random() < 0.95:
            self.does("answerCall", id)
        else:
            self.does("rejectCall", id, ends=True)

    def _call_somebody(self) -> None:
        others = self.place.numbers(self.page.extension)
        self.calls(self.chance.choice(("9196", "9196", "9180", QUEUE, self.chance.choice(others))))

    def _talking(self, id: str, call: Told) -> None:
        chance, draw = self.chance, self.chance.random()
        other = chance.choice(self.place.numbers(self.page.extension))
        conference = call.record["callType"] == "CONFERENCE"
        if call.state == "HELD":
            self.does("retrieveCall", id)
        elif draw < 0.30:
            self.does("holdCall", id)
        elif draw < 0.40:
            self.does(chance.choice(("mute_call", "unmute_call")), id)
        elif draw < 0.50:
            self.does("SendDtmf", id, message=chance.choice(("1", "42#", "*")))
        elif draw < 0.60:
            self.does("updateCallVariableData", id, callVariables={"callVariable1": f"v{chance.randrange(100)}"})
        elif conference or call.record["callType"] == "CONSULT":
            return
        elif draw < 0.70:
            self.does("SST", id, ends=True, numberToTransfer=chance.choice((other, "9196")))
        elif draw < 0.73:
            self.does("SST_Queue", id, ends=True, numberToTransfer=QUEUE, queue="support", queueType="NAME")
        elif draw < 0.95:
            self.does("makeConsult", numberToConsult=chance.choice((other, other, "9196")), dialogId=id)
        else:
            self.does("makeConsultQueue", numberToTransfer=QUEUE, queue="support", queueType="NAME")

    def _consulting(self, id: str, call: Told, live: dict[str, Told], now: Now) -> None:
        chance, draw = self.chance, self.chance.random()
        if call.state not in IN_CALLS:
            if now.monotonic >= self.leaves.setdefault(id, now.monotonic + chance.uniform(8.0, 20.0)):
                self.does("releaseCall", id, ends=True)
            return
        if draw < 0.25:
            self.willing.update(live)
            self.does("consultTransfer")
        elif draw < 0.45:
            self.willing.update(live)
            self.does("conference_consult", id)
        elif draw < 0.60:
            self.does("releaseCall", id, ends=True)
        elif draw < 0.70:
            self.does("holdCall" if call.state == "ACTIVE" else "retrieveCall", id)


def _is_own_consult(call: Told, extension: str) -> bool:
    return bool(call.record["callType"] == "CONSULT" and call.record["fromAddress"] == extension)
