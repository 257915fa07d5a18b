"""Calls on their way back after the connection was lost: what goes over the wire, to the engine and to desks."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.clock import Now
from offhook.cti.recovery import State
from offhook.media.engine import ApplyAnswer, CloseMedia, CreateOffer, Direction, SetMuted
from offhook.sip.events import SessionEnded
from offhook.sip.flow import Send
from offhook.testing.world import World


def lose(bench: Any, seconds: float = 2.0) -> None:
    """The agent's socket breaks; what is heard after so many seconds."""
    bench.desk.news()
    bench.desk.requests.clear()
    bench.network.reset(bench.desk.host)
    bench.run(seconds)


def test_a_call_is_taken_over_and_nobody_hears_of_it(bench: Any) -> None:
    dialog, session = bench.talk()
    before = bench.desk.session.media_of(dialog)
    lose(bench)
    (invite,) = bench.pbx.takeovers
    assert invite.request.target.user == "offhook-recover"
    assert invite.replaces == session
    assert bench.desk.news() == []
    after = bench.desk.session.media_of(dialog)
    assert after != before and bench.desk.media == {after}
    kinds = [(type(each), each.media) for each in bench.desk.requests]
    assert kinds.index((CreateOffer, after)) < kinds.index((CloseMedia, before))
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == "NORMAL_CLEARING"
    bench.desk.done("logout")
    bench.nothing_left()


def test_a_held_and_muted_call_is_held_again(bench: Any) -> None:
    dialog, session = bench.answers()
    bench.desk.done("mute_call", dialogId=dialog)
    bench.desk.done("holdCall", dialogId=dialog)
    lose(bench)
    assert bench.desk.news() == []
    offers = [each for each in bench.desk.requests if isinstance(each, CreateOffer)]
    assert [each.direction for each in offers] == [Direction.SENDRECV, Direction.SENDONLY]
    muted = [each.muted for each in bench.desk.requests if isinstance(each, SetMuted)]
    assert muted and all(muted)
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert bench.desk.dialog()["participants"][0]["mute"] is True
    assert [bench.desk.dialog()["state"]] == ["ACTIVE"]


def test_a_call_that_the_server_does_not_have_ends_once(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.desk.news()
    bench.network.reset(bench.desk.host)
    bench.pbx.bye(session)
    bench.run(3)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == "CONNECTION_LOST"
    assert bench.pbx.takeovers == []


def test_commands_wait_until_the_call_is_back(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.takeover_status = 0
    lose(bench, 1)
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(0.5)
    assert bench.desk.results(asked) == []
    invite = bench.pbx.takeovers[-1]
    bench.pbx.take(invite)
    bench.run(0.4)
    assert bench.desk.results(asked) == []  # the server joins the legs
    bench.run(0.2)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState HELD"]


def test_what_does_not_come_back_is_said_and_tried_again(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.pbx.takeover_status = 488
    lose(bench, 8)
    assert bench.desk.heard() == ["Error recovery-failed"]
    bench.pbx.takeover_status = 200
    bench.run(40)
    assert bench.desk.news() == []
    bench.desk.done("holdCall", dialogId=dialog)


def test_after_an_outage_that_was_told_the_call_is_told_when_it_is_back(bench: Any) -> None:
    bench.talk()
    bench.desk.news()
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(5)
    assert bench.desk.heard() == ["Error out-of-service", "xmppEvent OUT_OF_SERVICE"]
    bench.network.heal(bench.pbx_host)
    bench.run(30)
    assert bench.desk.heard() == ["xmppEvent IN_SERVICE", "dialogState ACTIVE"]
    assert len(bench.pbx.takeovers) == 1


def test_the_connection_is_lost_again_meanwhile(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.takeover_status = 0
    lose(bench, 1)
    assert len(bench.pbx.takeovers) == 1
    bench.pbx.takeover_status = 200
    lose(bench, 2)
    assert len(bench.pbx.takeovers) == 2
    assert bench.desk.news() == []
    assert len(bench.desk.media) == 1
    bench.desk.done("releaseCall", dialogId=dialog)
    bench.run(1)
    assert isinstance(bench.pbx.ended(session), SessionEnded)
    bench.desk.done("logout")
    bench.nothing_left()


def test_a_release_on_the_way_back(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.takeover_status = 0
    lose(bench, 1)
    bench.desk.done("releaseCall", dialogId=dialog)
    bench.run(1)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.pbx.ended(session) is not None
    bench.desk.done("logout", within=40)
    bench.nothing_left()


def test_an_answer_that_the_engine_cannot_take_is_tried_again(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.fail_next[ApplyAnswer] = "internal"
    lose(bench, 3)
    assert len(bench.pbx.takeovers) == 2
    assert len(bench.desk.media) == 1 and bench.desk.news() == []
    bench.desk.done("holdCall", dialogId=dialog)


def test_who_whispered_listens_and_is_told_so(make_bench: Any) -> None:
    bench = make_bench(extension="1009", supervisors=frozenset({"1009"}))
    bench.desk.done("login", extension="1009", password="1234")
    number = {"Destination_Number": "1000", "callType": "audio", "service_Identifier": "800"}
    bench.desk.send("silentMonitor", calledNumber="1000", **number)
    bench.run()
    bench.pbx.take(bench.pbx.invites[-1])
    bench.run()
    dialog = bench.desk.dialog()["id"]
    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run(0.1)
    bench.pbx.say(bench.pbx.invites[-1].session, "DONE", id=bench.pbx.word("WHISPER")[1]["id"])
    bench.run(0.1)
    assert bench.desk.result(asked)["status"] == "done"
    lose(bench)
    assert bench.desk.heard() == ["dialogState ACTIVE", "Error whisper-refused"]
    assert bench.desk.dialog()["participants"][0]["mute"] is True
    media = bench.desk.session.media_of(dialog)
    assert [each.muted for each in bench.desk.requests if isinstance(each, SetMuted) and each.media == media][-1]


def test_another_server_is_offered_anew_in_the_dialog(bench: Any) -> None:
    """One that names itself otherwise, and follows a re-INVITE as RFC 3261 has it."""
    bench.pbx.server = "Asterisk PBX"
    dialog, _ = bench.talk()
    media = bench.desk.session.media_of(dialog)
    lose(bench)
    assert bench.pbx.takeovers == [] and bench.desk.news() == []
    assert bench.desk.session.media_of(dialog) == media
    bench.desk.done("holdCall", within=1, dialogId=dialog)


def test_a_call_without_audio_gets_it_by_a_reinvite_there(bench: Any) -> None:
    bench.pbx.server = "Asterisk PBX"
    dialog, _ = bench.talk()
    bench.restart()
    assert bench.pbx.takeovers == []
    assert bench.desk.session.media_of(dialog) in bench.desk.media


def test_a_command_that_waits_for_a_word_goes_on_in_the_new_dialog(bench: Any) -> None:
    """A server that takes no words says nothing to it: done after 2 s, whichever dialog it is in by then."""
    dialog, _ = bench.talk()
    asked = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"callVariable1": "x"})
    bench.run(0.1)
    lose(bench, 3)
    assert len(bench.pbx.takeovers) == 1
    assert bench.desk.result(asked)["status"] == "done"


def test_an_answer_after_the_deadline_counts(bench: Any) -> None:
    """The server has given the new leg the place of the old one by then: to end it would end the call."""
    dialog, session = bench.talk()
    bench.pbx.takeover_status = 0
    bench.pbx.deaf_to = "CANCEL"
    lose(bench, 12)
    (invite,) = bench.pbx.takeovers
    bench.pbx.take(invite)
    bench.run(1)
    assert bench.pbx.ended(invite.session) is None
    assert len(bench.pbx.takeovers) == 1 and bench.desk.news() == []
    bench.desk.done("holdCall", dialogId=dialog)


def test_the_server_takes_the_withdrawal(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.pbx.takeover_status = 0
    lose(bench, 5)
    bench.pbx.takeover_status = 200
    bench.run(10)
    assert bench.pbx.ended(bench.pbx.takeovers[0].session) is not None
    assert len(bench.pbx.takeovers) == 2
    bench.desk.done("holdCall", dialogId=dialog)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ('Q.850;cause=16;text="NORMAL_CLEARING"', "NORMAL_CLEARING"),
        ('SIP;cause=200;text="Call completed elsewhere"', "CONNECTION_LOST"),
    ],
)
def test_a_call_that_was_ended_during_the_takeover_has_its_reason(bench: Any, reason: str, told: str) -> None:
    """The BYE may be that of the takeover: its INVITE is asked after, and the server knows nothing of that."""
    _, session = bench.talk()
    bench.pbx.takeover_status = 0
    lose(bench, 1)
    bench.pbx.rebind()
    bench.pbx.bye(session, reason)
    bench.run(0.5)
    assert bench.desk.news() == []
    lose(bench, 5)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == told


class Unheard:
    """A switch whose 200 to an INVITE is lost."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.timers = node.timers
        self.loses = False

    def receive(self, given: Any, now: Now) -> None:
        self.node.receive(given, now)

    def outputs(self) -> list[Any]:
        return [each for each in self.node.outputs() if not (self.loses and self._is_success(each))]

    @staticmethod
    def _is_success(output: Any) -> bool:
        return isinstance(output, Send) and output.data.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in output.data


def quiet_world() -> World:
    """On the development switch, with settings that leave calls alone."""
    worlds = (World("switch", "freeswitch", seed) for seed in range(200))
    return next(world for world in worlds if world.desks[0].settings.call_waiting == "announce")


@pytest.mark.parametrize("lives", [True, False])
def test_the_connection_breaks_before_the_answer_to_the_takeover(lives: bool) -> None:
    """The old dialog is gone at the server; the call lives under the INVITE whose 200 was lost, or has ended too."""
    world = quiet_world()
    agent, far = world.desks[:2]
    unheard = Unheard(world.node)
    world.server.node = unheard
    parameter = {"calledNumber": far.extension, "Destination_Number": "800", "callType": "audio"}
    agent.command("makeCall", parameter)
    world.run(0.5)
    (theirs,) = far.states()
    far.command("answerCall", {"dialogId": theirs})
    world.run(1)
    before = agent.states()
    unheard.loses = True
    world.network.reset(agent.host)
    world.run(2)
    (call,) = agent.session._work.calls.values()
    assert call.recovery is not None and call.recovery.state is State.CALLING
    world.network.cut(agent.host)
    world.network.reset(agent.host)
    unheard.loses = False
    if not lives:
        far.command("releaseCall", {"dialogId": theirs})
    world.run(0.5)
    world.network.heal(agent.host)
    world.run(20)
    assert agent.states() == (before if lives else {}), world.network.ladder()
    world.finish()
