"""One call leg: a session of the user agent, a media session of the engine, and who is at the far end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from offhook.clock import Now
from offhook.errors import ParseError, StateError
from offhook.media.engine import (
    AnswerCreated,
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineEvent,
    FromPeer,
    Mix,
    OfferCreated,
    Rollback,
    SendDigits,
    SetSource,
    Source,
)
from offhook.media.sdp import Session
from offhook.sip.message import Request
from offhook.switch.causes import Cause
from offhook.switch.exchange import ChannelEnded, Exchange, Outcome, Party, failed
from offhook.switch.referral import Journey
from offhook.switch.refresh import SessionTimer
from offhook.switch.tones import HOLD_MUSIC, SILENCE, Player

HOLD_SECONDS = 0.265
"""FreeSWITCH takes so long to answer a re-INVITE that changes who is held (trace 04)."""

MEDIA_SECONDS = 300.0
"""So long FreeSWITCH waits for the media of a leg that has gone silent (rtp-timeout-sec; recovery.md F06)."""
HELD_MEDIA_SECONDS = 1800.0
"""The same where its far end holds the call (rtp-hold-timeout-sec)."""

SESSION_TIMEOUT = 'SIP;cause=408;text="Session timeout"'

SUPPORT = ("X-FS-Support", "update_display,send_info")


class State(Enum):
    """How far a leg is."""

    NEW = "new"
    RINGING = "ringing"
    EARLY = "early"
    """Early media flows."""
    ANSWERED = "answered"
    ENDED = "ended"


class Call(Enum):
    """Which way a leg was called."""

    INBOUND = "inbound"
    """The client called us."""
    OUTBOUND = "outbound"
    """We called the client."""


class Owner:
    """Who is told what happens on a channel: the dialplan's execution or a bridge."""

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        """The far end or an error ended the channel."""

    def digit(self, channel: Channel, digit: str, duration_ms: int, now: Now) -> None:
        """The far end pressed a key."""

    def display(self, channel: Channel, shown: Party, now: Now) -> None:
        """The far end says who it is."""

    def let_go(self, channel: Channel, now: Now) -> None:
        """Somebody else takes the channel over."""

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """`new`, which is answered and nobody's, gets the place of `old`, which ends (FreeSWITCH: of a parked leg)."""
        old.give_to(Owner(), now)
        old.hang_up(Cause.ATTENDED_TRANSFER, now)

    def holding(self, channel: Channel, now: Now) -> None:
        """The channel was put on hold or retrieved, by its far end or from here."""
        if channel.peer is not None:
            channel.peer.hear_peer(now)

    def rewire(self, channel: Channel, now: Now) -> None:
        """Who whispers to the channel has changed."""
        channel.hear_peer(now)


class Channel(ABC):
    """What both kinds of legs have; `inbound.Inbound` and `outbound.Outbound` add how they come about."""

    way: Call

    def __init__(self, exchange: Exchange, uuid: str, *, user: str | None, party: Party, destination: str) -> None:
        self.exchange = exchange
        self.uuid = uuid
        self.session = ""
        self.call_id = ""
        self.user = user
        """The number of the directory's user at the far end."""
        self.party = party
        """Who is at the far end."""
        self.destination = destination
        """The number that was dialled."""
        self.state = State.NEW
        self.owner = Owner()
        self.peer: Channel | None = None
        self.player = Player(exchange.timers, self.hear)
        self.reached = False
        """Its media has been connected once."""
        self.remote_held = False
        self.server_held = False
        self.shows_display = False
        """The far end takes INFO message/update_display."""
        self.takes_words = False
        """The far end takes our INFO of other kinds: its X-FS-Support says send_info."""
        self.video = False
        """The far end has video: its last offer or answer says so."""
        self.call_headers: Mapping[str, str] = {}
        """X-headers of the INVITE, whoever sent it."""
        self.whispering: tuple[str, ...] = ()
        """Media sessions that the far end hears beside the other leg."""
        self.listening = ""
        """The channel whose call the far end listens to."""
        self.variables: dict[str, str] = {}
        """What its far end, or the other one, has set."""
        self.at_end: list[Callable[[Channel, Now], None]] = []
        """To be called when the channel is over, whoever owns it."""
        self.journey = Journey()
        self.timer = SessionTimer(self, exchange.timers, exchange.settings.session_expires)
        self._answer = ""
        exchange.add(self)

    @property
    def media(self) -> str:
        """The engine's name of the media session."""
        return self.uuid

    @property
    def alive(self) -> bool:
        return self.state is not State.ENDED

    @property
    def as_caller(self) -> Party:
        """Who one sees who is called on the far end's behalf."""
        return self.party

    @property
    def partner(self) -> Channel | None:
        """The answered leg that this answered one is connected with."""
        peer = self.peer
        both = peer is not None and peer.state is State.ANSWERED and self.state is State.ANSWERED
        return peer if both else None

    @property
    def extension(self) -> str:
        """Who is at the far end, in one word: the user, or the number."""
        return self.user or self.party.number

    @property
    def held(self) -> bool:
        return self.remote_held or self.server_held

    def give_to(self, owner: Owner, now: Now) -> None:
        """Another looks after the channel from now on; until that says otherwise it is connected with nobody."""
        before, self.owner = self.owner, owner
        before.let_go(self, now)
        self.peer = None
        self.player.play(SILENCE, now)
        self.exchange.connections_changed(now)

    # Audio

    def hear(self, source: Source) -> None:
        """Let the far end hear that."""
        if self.alive:
            self.exchange.tell(SetSource(self.media, source))

    def hear_peer(self, now: Now) -> None:
        """Let the far end hear the other leg: its audio, or hold music while one has put the call on hold."""
        if self.peer is None:
            return
        if self.peer.held:
            self.player.play(HOLD_MUSIC, now)
        else:
            self.player.stop()
            heard = self.peer.media
            self.hear(Mix((heard, *self.whispering)) if self.whispering else FromPeer(heard))
        self.exchange.connections_changed(now)

    def send_digits(self, digits: str, duration_ms: int = 250) -> None:
        """As telephone-events in RTP."""
        if self.alive and digits:
            self.exchange.ask(
                lambda name: SendDigits(name, self.media, digits, duration_ms=min(max(duration_ms, 40), 5000)),
                lambda event, now: None,
            )

    def media_lost(self, now: Now) -> None:
        """The media path is gone. One that was up may come back by another offer: FreeSWITCH waits for that, and so
        does a page that is reloaded (freeswitch/recovery.md R04, F06)."""
        if self.reached:
            patience = HELD_MEDIA_SECONDS if self.remote_held else MEDIA_SECONDS
            self.exchange.timers.set(self, "media", now.monotonic + patience)
        else:
            self.fail(Cause.NORMAL_CLEARING, now)

    def media_connected(self) -> None:
        self.reached = True
        self.exchange.timers.cancel(self, "media")

    # Offers within the call

    def offer_received(self, offer: str | None, now: Now) -> None:
        """The far end sent a re-INVITE (or UPDATE) with an offer; None: it wants ours."""
        if offer is None:
            self.exchange.ask(
                lambda name: CreateOffer(name, self.media, video=self.wish(self.video)), self._late_offer_made
            )
            return
        holds, self.video = _holds(offer), has_video(offer)

        def made(event: EngineEvent, now: Now) -> None:
            if not self.alive:
                return
            if not isinstance(event, AnswerCreated):
                self._say(None, now)
                return
            self._answer = event.sdp
            if holds == self.remote_held:
                self._answer_offer(now)
                return
            self.remote_held = holds
            self.owner.holding(self, now)
            self.exchange.timers.set(self, "answer", now.monotonic + HOLD_SECONDS)

        self.ask_for_answer(offer, made)

    def ask_for_answer(self, offer: str, made: Outcome) -> None:
        """Have an offer answered; video is taken as it is offered, whatever the other leg has (measured)."""
        self.exchange.ask(lambda name: CreateAnswer(name, self.media, offer, video=self.wish(True)), made)

    def wish(self, video: bool, direction: Direction = Direction.SENDRECV) -> Direction | None:
        """What is wished of the engine where there is to be video, or none."""
        return direction if video and self.exchange.settings.video else None

    def _late_offer_made(self, event: EngineEvent, now: Now) -> None:
        if self.alive and isinstance(event, OfferCreated):
            self._say(event.sdp, now)
        elif self.alive:
            self._say(None, now)

    def _answer_offer(self, now: Now) -> None:
        if self.remote_held:
            self.journey.held_at = now.monotonic
        self.renegotiated()
        self._say(self._answer, now)

    def _say(self, answer: str | None, now: Now) -> None:
        """Answer or refuse (None) the far end's re-INVITE, unless it was taken back meanwhile."""
        try:
            if answer is None:
                self.exchange.ua.refuse(self.session, 488, now)
            else:
                self.exchange.ua.answer(self.session, answer, now)
        except StateError:
            return

    @abstractmethod
    def renegotiated(self) -> None:
        """The first offer is no longer what was agreed on."""

    def answer_received(self, answer: str, now: Now) -> None:
        """The far end answered our last offer."""
        self.video = has_video(answer)
        self.exchange.ask(lambda name: ApplyAnswer(name, self.media, answer), self._answer_applied)

    def _answer_applied(self, event: EngineEvent, now: Now) -> None:
        if self.alive and failed(event):
            self.fail(Cause.INCOMPATIBLE_DESTINATION, now)

    def hold(self, on: bool, now: Now) -> None:
        """Hold or retrieve from the server (uuid_hold): a re-INVITE, and hold music for the other leg."""
        if self.state is not State.ANSWERED or on == self.server_held:
            raise StateError("the channel is not answered, or it is so already")
        self.server_held = on
        self.owner.holding(self, now)
        self.reoffer(now)

    def deflect(self, number: str, now: Now) -> None:
        """Ask the far end to call that number itself (trace 19b)."""
        host = self.exchange.settings.domain
        headers = [("Refer-To", f"<sip:{number}@{host}>"), ("Referred-By", f"<sip:{host}:7443;transport=udp>")]
        try:
            self.exchange.ua.request("REFER", None, now, session=self.session, headers=headers)
        except StateError:
            return

    def reoffer(self, now: Now) -> None:
        """Send a re-INVITE with a fresh offer."""
        direction = Direction.SENDONLY if self.server_held else Direction.SENDRECV

        def made(event: EngineEvent, now: Now) -> None:
            if self.alive and isinstance(event, OfferCreated):
                self.renegotiated()
                self.reinvite(event.sdp, now)

        self.exchange.ask(lambda name: CreateOffer(name, self.media, direction, self.wish(self.video, direction)), made)

    def reinvite(self, offer: str, now: Now) -> None:
        """Send a re-INVITE; where that cannot be done both legs end, as FreeSWITCH has it (recovery.md, fact 3)."""
        if not self.exchange.registrar.is_open(self.exchange.wording.flow_of(self.call_id)):
            self.fail(Cause.NORMAL_TEMPORARY_FAILURE, now)
            return
        try:
            self.exchange.ua.reinvite(self.session, offer, now, headers=self.reinvite_headers())
        except StateError:
            self.exchange.tell(Rollback(self.media))

    def reinvite_headers(self) -> Sequence[tuple[str, str]]:
        """What a re-INVITE to one who called us carries behind its body's headers."""
        return [SUPPORT, ("Remote-Party-ID", self.remote_party(self.party))]

    def renegotiation_failed(self, status: int, now: Now) -> None:
        """Our re-INVITE was refused: the call goes on (trace 19), but not with one who is gone."""
        if status == 408:
            self.fail(Cause.RECOVERY_ON_TIMER_EXPIRE, now)
        elif status in (481, 503):
            self.fail(Cause.NORMAL_TEMPORARY_FAILURE, now)
        else:
            self.exchange.tell(Rollback(self.media))

    # Session timer

    @abstractmethod
    def refresh_session(self, now: Now) -> None:
        """It is time to refresh the session, where that is ours to do."""

    def session_expired(self, now: Now) -> None:
        """The far end has not refreshed its session."""
        self.send_bye(SESSION_TIMEOUT, now)
        self.end(Cause.NORMAL_CLEARING, now, told=True)

    def refreshed(self, request: Request, now: Now) -> None:
        """A re-INVITE or UPDATE of the far end came: who refreshes is settled anew."""
        asked = request.session_expires
        if request.method == "UPDATE" or (asked is not None and asked.refresher != "uas"):
            self.timer.expect_refresh(now)
        elif self.way is Call.OUTBOUND:
            self.timer.refresh_ourselves(now, self.exchange.ids.fraction())

    # The end

    def handle_timer(self, timer: str, now: Now) -> None:
        """A change of hold is answered, or the media has been gone for too long."""
        if timer == "media":
            self.fail(Cause.NORMAL_CLEARING, now)
        elif self.alive:
            self._answer_offer(now)

    def fail(self, cause: Cause, now: Now) -> None:
        """An error here ends the channel and whatever it is part of."""
        self.hang_up(cause, now, told=True)

    @abstractmethod
    def hang_up(self, cause: Cause, now: Now, *, told: bool = False) -> None:
        """End the channel from here; with `told` its owner hears of it."""

    def send_bye(self, reason: str, now: Now) -> None:
        """BYE (or CANCEL); nothing where the user agent has given the session up already."""
        try:
            self.exchange.ua.hangup(self.session, now, headers=[("Reason", reason)])
        except StateError:
            return

    def dismiss(self, text: str, now: Now) -> None:
        """End an answered channel with a reason of that text; its owner hears nothing of it."""
        self.send_bye(Cause.NORMAL_CLEARING.because(text), now)
        self.end(Cause.NORMAL_CLEARING, now, told=False)

    def end(self, cause: Cause, now: Now, *, told: bool) -> None:
        """The channel is over: free what it holds and, with `told`, tell its owner."""
        if not self.alive:
            return
        self.player.stop()
        self.timer.stop()
        self.exchange.timers.cancel(self, "answer", "media")
        self.exchange.tell(CloseMedia(self.media))
        self.state = State.ENDED
        self.exchange.remove(self)
        self.exchange.tell(ChannelEnded(self.uuid, cause))
        owner, self.owner = self.owner, Owner()
        if told:
            owner.ended(self, cause, now)
        after, self.at_end = self.at_end, []
        for each in after:
            each(self, now)

    # What is said of whom

    def x_header(self, name: str) -> str | None:
        """An X-header of the INVITE, whatever its spelling."""
        return next((value for each, value in self.call_headers.items() if each.lower() == name.lower()), None)

    def remote_party(self, party: Party) -> str:
        """Remote-Party-ID of an INVITE to the far end."""
        host = self.exchange.settings.domain
        return f'"{party.name}" <sip:{party.number}@{host}>;party=calling;screen=yes;privacy=off'

    def update_display(self, shown: Party, now: Now, *, transferred: str | None = None) -> None:
        """Tell the far end who the other party is now, if it takes that; `transferred`: with that header."""
        if self.shows_display and self.state is State.ANSWERED:
            headers = [
                ("Content-Type", "message/update_display"),
                ("X-FS-Display-Name", shown.name),
                ("X-FS-Display-Number", shown.number),
            ]
            if transferred is not None:
                headers.append((transferred, "true"))
            try:
                self.exchange.ua.info(self.session, "", "", now, headers=headers)
            except StateError:
                return


def has_video(description: str) -> bool:
    """Whether an offer or an answer has video that can be taken: VP8."""
    try:
        video = Session.parse(description).video
    except ParseError:
        return False
    return video is not None and any(each.name.upper() == "VP8" for each in video.payload_formats)


def _holds(offer: str) -> bool:
    """Whether an offer puts us on hold: sendonly or inactive audio (RFC 3264 §8.4)."""
    try:
        audio = Session.parse(offer).audio
    except ParseError:
        return False
    return audio is not None and audio.direction in (Direction.SENDONLY, Direction.INACTIVE)


def supports(support: str | None, what: str) -> bool:
    """Whether an X-FS-Support header names that: `update_display`, `send_info` ..."""
    return support is not None and what in [each.strip() for each in support.split(",")]
