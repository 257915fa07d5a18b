"""Whether the agent is there: login, logout, outages. Contract §2 rows 1, 8, §4 (xmppEvent); RB §3.1, §3.2, §6.

Told are IN_SERVICE and OUT_OF_SERVICE. An outage shorter than `out_of_service_after` is not: commands wait for its end.
"""

from __future__ import annotations

from enum import Enum

from offhook.clock import Now
from offhook.cti.controller import Controller
from offhook.cti.dialect import readable
from offhook.cti.errors import INVALID_CREDENTIALS, Failure, failure
from offhook.cti.events import Service, agent_info, error, no_dialog, xmpp_event
from offhook.cti.outcomes import Ticket
from offhook.cti.stream import Finished
from offhook.cti.workplace import Workplace
from offhook.sip.events import RegistrationFailed

OUTAGE_TIMER = "outage"
LEAVE_TIMER = "leave"


class Standing(Enum):
    """How far an agent is."""

    NEW = "new"
    CONNECTING = "connecting"
    """Never registered yet."""
    IN = "in"
    REFUSED = "refused"
    """The server refused the registration for good; calls that are up go on."""
    LEAVING = "leaving"
    OVER = "over"


class Presence:
    """The agent's standing with the server, and the commands that depend on it."""

    def __init__(self, work: Workplace, controller: Controller) -> None:
        self.standing = Standing.NEW
        self.usable = False
        """Registered over an open flow, as far as is known."""
        self.told_out = False
        self.verified = False
        self.waiting: list[Ticket] = []
        """Commands that came during an outage that has not been told."""
        self._work = work
        self._controller = controller
        self._logins: list[Ticket] = []
        self._logouts: list[Ticket] = []
        self._reason = ""
        self._stopping = False

    @property
    def service(self) -> Service:
        """What has been told."""
        return "IN_SERVICE" if self.standing is Standing.IN and not self.told_out else "OUT_OF_SERVICE"

    @property
    def over(self) -> bool:
        """No command can do anything here any more."""
        return self.standing is Standing.OVER or self._stopping

    # Coming

    def login(self, ticket: Ticket, now: Now) -> None:
        """The first login connects; a further one joins."""
        if self.standing is Standing.IN:
            self._join(ticket)
            return
        if self.over or self.standing is Standing.LEAVING:
            self._work.outcomes.failed(ticket, failure("logged-out"), now)
            return
        self._work.outcomes.start(ticket, now)
        self._logins.append(ticket)
        if self.standing is Standing.NEW:
            self.standing = Standing.CONNECTING
            self._work.ua.start(now)
        elif self.standing is Standing.REFUSED:
            self._work.ua.register(now)
        elif self.told_out:
            self._tell_out_to(ticket, now)

    def resume_work(self, now: Now) -> None:
        """Go on as an agent that was logged in, in another process."""
        self.standing = Standing.IN
        self.verified = True
        self._start_outage(now)
        self._work.ua.start(now)

    def _join(self, ticket: Ticket) -> None:
        work, origin = self._work, ticket.origin
        description = "Connected" if not self.told_out else self._reason
        work.outbox.reply(origin, xmpp_event(work.extension, self.service, description))
        work.outbox.reply(origin, agent_info(work.extension, "LOGIN"))
        if not self._controller.announce_to(origin):
            work.outbox.reply(origin, no_dialog(work.extension))
        self._logged_in(ticket)

    def _tell_out_to(self, ticket: Ticket, now: Now) -> None:
        work, why = self._work, failure("unreachable", self._reason, self._reason)
        offset = work.settings.utc_offset(now.wall)
        work.outbox.reply(ticket.origin, error(work.extension, why, None, now.wall, offset))
        work.outbox.reply(ticket.origin, xmpp_event(work.extension, "OUT_OF_SERVICE", self._reason))
        work.outcomes.failed(ticket, why, now, tell=False)

    def _logged_in(self, ticket: Ticket) -> None:
        stream = self._work.outbox.stream
        self._work.outcomes.done(ticket, {"stream": stream.name, "seq": stream.seq})

    def registered(self, now: Now) -> list[Ticket]:
        """A REGISTER got its 200; returns the commands that waited for it."""
        if self.standing not in (Standing.CONNECTING, Standing.IN, Standing.REFUSED) or self._stopping:
            return []
        work = self._work
        came_back = self.standing is Standing.IN
        told_out, self.told_out, self.usable, self.verified = self.told_out, False, True, True
        work.timers.cancel(work.owner, OUTAGE_TIMER)
        self.standing = Standing.IN
        if not came_back or told_out:
            work.outbox.publish(xmpp_event(work.extension, "IN_SERVICE", "Connected"), now)
        if not came_back:
            work.outbox.publish(agent_info(work.extension, "LOGIN"), now)
            if not work.calls:
                work.outbox.publish(no_dialog(work.extension), now)
        if told_out or not came_back:
            self._controller.announce_all(now)
        logins, self._logins = self._logins, []
        for ticket in logins:
            self._logged_in(ticket)
        waiting, self.waiting = self.waiting, []
        return waiting

    # Outages

    def lost(self, reason: str, now: Now) -> None:
        """The server cannot be reached, or does not take the registration at the moment."""
        self.usable = False
        self._reason = readable(reason)
        if self.standing in (Standing.CONNECTING, Standing.IN) and not self.told_out:
            self._start_outage(now)

    def _start_outage(self, now: Now) -> None:
        work = self._work
        if not work.timers.is_set(work.owner, OUTAGE_TIMER):
            work.timers.set(work.owner, OUTAGE_TIMER, now.monotonic + work.settings.out_of_service_after)

    def outage_lasts(self, now: Now) -> None:
        """It has lasted long enough to be told."""
        work = self._work
        self.told_out = True
        why = failure("out-of-service" if self.verified else "unreachable", self._reason, self._reason)
        work.outbox.error(why, None, now)
        work.outbox.publish(xmpp_event(work.extension, "OUT_OF_SERVICE", why.description), now)
        self._fail_all(why, now)
        self._controller.out_of_service(why, now)

    def refused(self, event: RegistrationFailed, now: Now) -> None:
        """A REGISTER was refused."""
        if not event.final:
            self.lost(f"The server answered {event.status} {event.reason} to the registration.", now)
            return
        if self.standing not in (Standing.CONNECTING, Standing.IN, Standing.REFUSED) or self._stopping:
            return
        work = self._work
        self.usable = False
        self.standing = Standing.REFUSED
        work.timers.cancel(work.owner, OUTAGE_TIMER)
        why = failure("credentials-refused", INVALID_CREDENTIALS)
        work.outbox.publish(agent_info(work.extension, "LOGOUT"), now)
        work.outbox.error(why, None, now)
        self._fail_all(why, now)

    def _fail_all(self, why: Failure, now: Now) -> None:
        """Whoever waits for the server fails; the Error has been told."""
        tickets = self._logins + self.waiting
        self._logins, self.waiting = [], []
        for ticket in tickets:
            self._work.outcomes.failed(ticket, why, now, tell=False)

    # Going

    def logout(self, ticket: Ticket, now: Now) -> None:
        """End the calls, un-REGISTER, close."""
        if self.standing is Standing.OVER:
            self._work.outcomes.failed(ticket, failure("logged-out"), now)
            return
        self._work.outcomes.start(ticket, now)
        self._logouts.append(ticket)
        if self.standing is Standing.LEAVING or self._stopping:
            return
        self.standing = Standing.LEAVING
        self._fail_all(failure("logged-out"), now)
        self._work.timers.cancel(self._work.owner, OUTAGE_TIMER)
        self._work.timers.set(self._work.owner, LEAVE_TIMER, now.monotonic + self._work.settings.logout_timeout)
        for call in list(self._work.calls.values()):
            self._controller.ending.hang_up(call, now)

    def settle(self, now: Now) -> bool:
        """Once the last call is gone: leave the server, if there is nothing left to stay for. True if it begins now."""
        if self._stopping or self._work.calls or self.standing not in (Standing.LEAVING, Standing.REFUSED):
            return False
        self._stopping = True
        self._work.ua.stop(now)
        return True

    def leave_lasts(self, now: Now) -> None:
        """Ending the calls takes too long: leave without them."""
        for call in list(self._work.calls.values()):
            self._controller.ending.bury(call, None, now)

    def gone(self, now: Now) -> None:
        """Un-registered, as far as can be; the last of this agent."""
        work = self._work
        refused = self.standing is Standing.REFUSED
        self.standing = Standing.OVER
        self.usable = False
        if not refused:
            work.outbox.publish(agent_info(work.extension, "LOGOUT"), now)
        for ticket in self._logouts:
            work.outcomes.done(ticket)
        work.timers.cancel(work.owner, OUTAGE_TIMER, LEAVE_TIMER)
        work.outbox.put(Finished(work.extension, "refused" if refused else "logout"))
