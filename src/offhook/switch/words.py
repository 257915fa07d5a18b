"""Words: what agents and switch tell each other in a call by INFO, one JSON object a word (dialect `freeswitch`).

The INFO has Content-Type `application/vnd.offhook+json` and is answered 200 whatever it says; what comes of it is told
by a word of the switch, which repeats its `id`. A word that cannot be read is passed over. Nothing is told to legs
whose X-FS-Support does not say `send_info`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from offhook.clock import Now
from offhook.errors import StateError
from offhook.sip.message import Request
from offhook.switch.channel import Channel, State
from offhook.switch.eavesdrop import Listening
from offhook.switch.exchange import Exchange
from offhook.switch.gathering import NOT_ALLOWED, Conference, barge, join_consulted

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/vnd.offhook+json"
MOST_VARIABLES = 64
"""On one leg."""
LONGEST_VALUE = 1024

BAD_WORD = "BAD_WORD"
"""Something that the word needs is missing or of a wrong type."""

_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


def said(exchange: Exchange, channel: Channel, request: Request, now: Now) -> None:
    """A word came on the leg `channel`."""
    word = _read(request.text)
    if word is None or channel.user is None or channel.state is not State.ANSWERED:
        logger.info("a word on channel %s is passed over", channel.uuid)
        return
    id = word["id"]
    match word["event"]:
        case "CONFERENCE":
            consult = word.get("consult")
            leg = exchange.channel_with_call_id(consult) if isinstance(consult, str) else None
            if reason := join_consulted(exchange, channel, leg, now, id=id):
                exchange.voice.failed(channel, "CONSULT_CONFERENCE_FAILED", reason, id, now)
        case "BARGE":
            if reason := barge(exchange, channel, now, id=id):
                exchange.voice.failed(channel, "BARGE_FAILED", reason, id, now)
        case "WHISPER" | "DROP_MEMBER" | "MEMBER_STATE" | "MEDIA_CONVERSION" | "VARIABLES" as event:
            if reason := _ACTIONS[event](exchange, channel, word, now):
                exchange.voice.failed(channel, "FAILED", reason, id, now)
            else:
                exchange.voice.done(channel, id, now)
        case _:
            logger.info("a word on channel %s has an unknown event", channel.uuid)


def _read(text: str) -> dict[str, Any] | None:
    try:
        word = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(word, dict):
        return None
    id, event = word.get("id"), word.get("event")
    good = isinstance(id, str) and isinstance(event, str) and _TOKEN.fullmatch(id)
    return word if good else None


# Each gives the reason why not, None when it is done


def _whisper(exchange: Exchange, channel: Channel, word: Mapping[str, Any], now: Now) -> str | None:
    on = word.get("on")
    if not isinstance(on, bool):
        return BAD_WORD
    listening = channel.owner
    if not isinstance(listening, Listening) or not listening.privileged:
        return NOT_ALLOWED
    listening.whisper(on, now)
    return None


def _drop_member(exchange: Exchange, channel: Channel, word: Mapping[str, Any], now: Now) -> str | None:
    extension = word.get("member")
    conference = channel.owner
    if not isinstance(extension, str):
        return BAD_WORD
    if not isinstance(conference, Conference):
        return NOT_ALLOWED
    member = conference.member(channel)
    if member is None or member.customer:
        return NOT_ALLOWED
    return conference.drop(extension, now)


def _member_state(exchange: Exchange, channel: Channel, word: Mapping[str, Any], now: Now) -> str | None:
    held, muted = word.get("held"), word.get("muted")
    if not isinstance(held, bool) or not isinstance(muted, bool):
        return BAD_WORD
    conference = channel.owner
    if not isinstance(conference, Conference):
        return NOT_ALLOWED
    conference.change(channel, held, muted, now, id=word["id"])
    return None


def _media_conversion(exchange: Exchange, channel: Channel, word: Mapping[str, Any], now: Now) -> str | None:
    """Tell the other party, or the other members, what of this one is to be seen now."""
    about = {"eventRequest": "remote"} | {name: word.get(name) for name in ("stream", "streamStatus")}
    if about["stream"] not in ("video", "screenshare") or about["streamStatus"] not in ("on", "off"):
        return BAD_WORD
    others = [] if channel.partner is None else [channel.partner]
    if isinstance(channel.owner, Conference):
        others = [each.channel for each in channel.owner.members if each.channel is not channel]
    if not others:
        return NOT_ALLOWED
    for each in others:
        _say(each, {"event": "mediaConversion", "dialog": about}, now)
    return None


def _variables(exchange: Exchange, channel: Channel, word: Mapping[str, Any], now: Now) -> str | None:
    given = word.get("variables")
    if not isinstance(given, dict) or not all(_is_variable(*pair) for pair in given.items()):
        return BAD_WORD
    named = {f"offhook_{name}": value for name, value in given.items()}
    legs = [channel] if channel.peer is None else [channel, channel.peer]
    if isinstance(channel.owner, Conference):
        member = channel.owner.member(channel)
        if member is None or member.customer:
            return NOT_ALLOWED
        legs = [each.channel for each in channel.owner.members]
    if any(len({*leg.variables, *named}) > MOST_VARIABLES for leg in legs):
        return "TOO_MANY"
    for leg in legs:
        leg.variables.update(named)
    return None


_ACTIONS = {
    "WHISPER": _whisper,
    "DROP_MEMBER": _drop_member,
    "MEMBER_STATE": _member_state,
    "MEDIA_CONVERSION": _media_conversion,
    "VARIABLES": _variables,
}


def _is_variable(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and _NAME.fullmatch(name) is not None
        and isinstance(value, str)
        and len(value) <= LONGEST_VALUE
    )


def written(word: Mapping[str, Any]) -> str:
    """A word as JSON; octets of a peer's header that are no UTF-8 become question marks."""
    return json.dumps(word, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()


class Words:
    """The switch's own words: a `gathering.Voice`."""

    def members(self, channel: Channel, conference: Conference, reason: str, id: str, now: Now) -> None:
        origin = conference.origin
        members = [
            {"ext": each.channel.extension, "held": each.held, "muted": each.muted, "customer": each.customer}
            for each in conference.members
        ]
        dialog = {
            "customerDialogId": origin.dialog,
            "customerNumber": origin.number,
            "customerDestinationNumber": origin.destination,
        }
        more = {"conference": {"name": conference.name}, "members": members}
        word = {"event": "CONFERENCE", "reasonCode": reason, "dialog": dialog, "additionalAttributes": more}
        _say(channel, ({"id": id} if id else {}) | word, now)

    def failed(self, channel: Channel, what: str, reason: str, id: str, now: Now) -> None:
        _say(channel, {"event": what, "id": id, "reasonCode": reason}, now)

    def done(self, channel: Channel, id: str, now: Now) -> None:
        _say(channel, {"event": "DONE", "id": id}, now)

    def unmonitored(self, channel: Channel, reason: str, now: Now) -> None:
        """The Reason of the final answer says it."""


def _say(channel: Channel, word: Mapping[str, Any], now: Now) -> None:
    """As FreeSWITCH's `uuid_send_info`."""
    if not channel.takes_words or channel.state is not State.ANSWERED:
        return
    body = written(word)
    try:
        channel.exchange.ua.info(channel.session, CONTENT_TYPE, body, now)
    except StateError:
        return
