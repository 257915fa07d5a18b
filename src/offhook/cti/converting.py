"""Video and screens: turned on and off by the agent, each for its own side. Contract §2 row 19, §4; RB §3.15, §7.3.

What the other side turns on is told, and can be seen; it never turns on anything here. It is told by the server, in
dialect `freeswitch`: by a word in the call's own dialog, which nobody else can say; `efcx` has a MESSAGE for it.
"""

from __future__ import annotations

from typing import Literal

from offhook.clock import Now
from offhook.cti.asking import Asking
from offhook.cti.call import Call, Phase, Task
from offhook.cti.commands import ConvertCall
from offhook.cti.dialog import CONFERENCE, Kind
from offhook.cti.errors import Failure, failure, invalid_action
from offhook.cti.events import Conversion, MediaConversion, iso_time
from offhook.cti.holding import Holding
from offhook.cti.numbering import reachable
from offhook.cti.tasks import Tasks
from offhook.cti.words import Status, Stream, Word, write
from offhook.cti.workplace import Workplace
from offhook.errors import LocalError, RemoteError
from offhook.media.engine import Direction
from offhook.media.sdp import Session
from offhook.sip.uri import Uri

EVENT = "mediaConversion"
INTRODUCTION = "agentDetails"
_AUDIO_ONLY = ("CONSULT", CONFERENCE, "CONSULT_TRANSFER", "MONITORING")
_DIRECTIONS_TAKEN = (Direction.SENDRECV, Direction.RECVONLY)


def takes_video(answer: str) -> bool:
    """Whether an answer of the other side takes the video that was offered."""
    try:
        media = Session.parse(answer).media
    except RemoteError:
        return False
    return any(each.type == "video" and not each.rejected and each.direction in _DIRECTIONS_TAKEN for each in media)


class Converting:
    """Changes what is seen in calls that are up."""

    def __init__(self, work: Workplace, tasks: Tasks, holding: Holding, asking: Asking) -> None:
        self._work = work
        self._tasks = tasks
        self._holding = holding
        self._asking = asking

    def start(self, call: Call, task: Task, now: Now) -> None:
        """A convertCall, in its turn."""
        command = task.command
        assert isinstance(command, ConvertCall), "only that starts here"
        on = command.streamStatus == "on"
        why: Failure | None = None
        if call.phase is not Phase.UP or call.restored or (on and call.held):
            why = invalid_action(command.action)
        elif call.dialog.callType in _AUDIO_ONLY:
            text = f"Convert turn stream on/off when call is {call.dialog.callType}"
            why = failure("cannot-convert", text)
        if why is not None:
            self._tasks.finish(call, why, now)
        elif on == (call.stream is not None):
            call.stream = command.streamType if on else None
            self._succeeded(call, task, command, now)
        else:

            def changed(why: Failure | None, answer: str, now: Now) -> None:
                self._changed(call, task, command, why, answer, now)

            video = Direction.SENDRECV if on else None
            self._holding.change(call, call.direction(call.held), video, changed, now)

    def _changed(
        self, call: Call, task: Task, command: ConvertCall, why: Failure | None, answer: str, now: Now
    ) -> None:
        """What came of our offer; also where it comes too late for the command."""
        on = command.streamStatus == "on"
        if why is None and on and not takes_video(answer):
            why = failure("change-refused", "The other side does not take video", "The other side does not take video.")
        if why is None:
            call.stream = command.streamType if on else None
            call.video = Direction.SENDRECV if on else None
            self._succeeded(call, task, command, now)
            return
        self._tell(call, command.streamType, command.streamStatus, now, "local", why.description)
        if call.task is task:
            # The mediaConversion tells it; an Error besides only where the agent has something to mend (RB §3.18).
            self._tasks.finish(call, why, now, tell=why.code == "media-device")

    def _succeeded(self, call: Call, task: Task, command: ConvertCall, now: Now) -> None:
        self._tell(call, command.streamType, command.streamStatus, now, "local", None)
        self._tell_other(call, command, now)
        if call.task is task:
            self._tasks.finish(call, None, now)

    def out_of_time(self, call: Call, command: ConvertCall, now: Now) -> None:
        """The command has had its time."""
        why = failure("timeout")
        self._tell(call, command.streamType, command.streamStatus, now, "local", why.description)

    def _tell(
        self,
        call: Call,
        stream: Stream,
        status: Status,
        now: Now,
        whose: Literal["local", "remote"],
        problem: str | None,
    ) -> None:
        told = Conversion(
            id=call.id,
            eventRequest=whose,
            stream=stream,
            streamStatus=status,
            errorReason=problem,
            timeStamp=iso_time(now.wall),
        )
        event = MediaConversion(
            status="success" if problem is None else "error", loginId=self._work.extension, dialog=told
        )
        self._work.outbox.publish(event, now)

    # The other side

    def _tell_other(self, call: Call, command: ConvertCall, now: Now) -> None:
        """Have the other party told. Nothing depends on it: what is seen is agreed by then."""
        if self._work.dialect.words:
            if call.phase is Phase.UP:
                said = {"stream": command.streamType, "streamStatus": command.streamStatus}
                self._asking.tell(call, "MEDIA_CONVERSION", said, now)
            return
        body = write(
            {
                "event": EVENT,
                "status": "success",
                "loginId": self._work.extension,
                "dialog": {
                    "id": call.id,
                    "eventRequest": "remote",
                    "stream": command.streamType,
                    "streamStatus": command.streamStatus,
                    "errorReason": None,
                    "timeStamp": iso_time(now.wall),
                },
            }
        )
        self._send(call, body, now)

    def _send(self, call: Call, body: str, now: Now) -> None:
        party = _party(call)
        if not reachable(party, *self._work.settings.monitoring_prefixes):
            return  # a stranger writes its own number
        try:
            target = str(Uri.sip(party, self._work.settings.domain))
            self._work.ua.request("MESSAGE", target, now, content_type="text/plain", body=body)
        except LocalError:
            return  # there is no flow now

    def introduce(self, call: Call, now: Now) -> None:
        """Dialect efcx: tell a web client that calls who answered it, so that it can send MESSAGEs (RB §3.4)."""
        dialog = call.dialog
        if self._work.dialect.words or call.kind is not Kind.IN or dialog.callOriginator != "webrtc":
            return
        about = {"id": call.id, "agentExt": self._work.extension, "callType": "OUT"}
        self._send(call, write({"event": INTRODUCTION, "dialog": about}), now)

    def introduced(self, call: Call, word: Word, sender: str | None) -> None:
        """A MESSAGE agentDetails about a call that we made: who answered it, in their own words; the first counts."""
        if call.outgoing is not None and call.agent is None and sender is not None and word.agent == sender:
            call.agent = word.agent

    def only_call_with(self, number: str) -> Call | None:
        """The call with that other party, where there is just one."""
        found = [call for call in self._work.up() if _party(call) == number]
        return found[0] if len(found) == 1 else None

    def party_told(self, call: Call, word: Word, sender: str | None, now: Now) -> None:
        """A MESSAGE mediaConversion: of the other party alone."""
        if sender is not None and _party(call) == sender:
            self.told(call, word, now)

    def told(self, call: Call, word: Word, now: Now) -> None:
        """The other side of this call has turned something on or off."""
        if word.stream is None or word.stream_status is None or not word.success or call.phase is not Phase.UP:
            return
        # With mod_sms loaded, FreeSWITCH delivers each MESSAGE twice.
        if word.time is None or word.time != call.converted:
            call.converted = word.time
            self._tell(call, word.stream, word.stream_status, now, "remote", None)


def _party(call: Call) -> str:
    """The user of the other side: who was called (or took the call), or who calls."""
    return call.agent or call.dialog.dialedNumber if call.outgoing is not None else call.dialog.ani
