"""Conferences: contract §2 row 16; RB §3.6, §3.7, §3.12, §7.3."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.sip.events import End, OfferReceived

NORMAL = ("1000", "5551234c", "1001")


def participants(dialog: Any) -> list[tuple[str, str, bool]]:
    return [(each["mediaAddress"], each["state"], each["mute"]) for each in dialog["participants"]]


def names(bench: Any) -> list[str]:
    """Each event since the last look: its name, dialog state, and the members with what is special about them."""
    found = []
    for event in bench.desk.news():
        dialog = event["response"].get("dialog")
        if dialog is None:
            found.append(f"{event['event']} {event['response']['code']}")
            continue
        marks = {"ACTIVE": "", "HELD": "h", "DROPPED": "-"}
        listed = [f"{m['mediaAddress']}{marks[m['state']]}{'m' if m['mute'] else ''}" for m in dialog["participants"]]
        found.append(f"{event['event']} {dialog['state']} {dialog['callType']} {' '.join(listed)}")
    return found


class Consult:
    """A call with a customer that is held, and a consult that is up."""

    def __init__(self, bench: Any, **call: Any) -> None:
        self.bench, self.desk, self.pbx = bench, bench.desk, bench.pbx
        self.dialog, self.leg = bench.answers(**call)
        self.desk.send("makeConsult", numberToConsult="1001", dialogId=self.dialog)
        bench.run()
        invite = self.pbx.invites[-1]
        self.pbx.take(invite)
        bench.run()
        self.consult_leg = invite.session
        self.consult = next(e for e in self.desk.news() if e["event"] == "ConsultCall")["response"]["dialog"]["id"]
        self.call_id = invite.request.call_id

    def ask(self, named: str | None = None) -> str:
        asked = self.desk.ask("conference_consult", dialogId=named or self.dialog)
        self.bench.run()
        return str(asked)

    def bye(self, text: str = "CONFERENCE") -> None:
        reason = [("Reason", f'Q.850;cause=16;text="{text}"')]
        if self.consult_leg in self.pbx.ua.sessions():
            self.pbx.ua.hangup(self.consult_leg, self.bench.network.now(), headers=reason)
        self.bench.run()

    def join(self, *members: str, **dialog: Any) -> None:
        id = self.pbx.word("CONFERENCE")[1]["id"]
        self.pbx.conference(self.leg, *(members or NORMAL), reason="CONSULT_CONFERENCE", id=id, **dialog)
        self.bench.run()


@pytest.fixture
def consult(bench: Any) -> Consult:
    return Consult(bench)


@pytest.fixture
def conference(consult: Consult) -> Consult:
    consult.ask()
    consult.join()
    consult.bye()
    consult.bench.run(1)
    consult.desk.news()
    return consult


# conference_consult


@pytest.mark.parametrize("named", ["customer", "consult"])
@pytest.mark.parametrize("bye_first", [True, False])
def test_conference_consult(consult: Consult, named: str, bye_first: bool) -> None:
    asked = consult.ask(consult.dialog if named == "customer" else consult.consult)
    leg, word = consult.pbx.word("CONFERENCE")
    assert leg == consult.leg
    assert word["consult"] == consult.call_id
    assert consult.desk.results(asked) == []
    if bye_first:
        consult.bye()
        assert consult.desk.news()[-1]["response"]["dialog"]["state"] == "DROPPED"
        consult.desk._position -= 1
    consult.join(customerDialogId="other", customerNumber="1", customerDestinationNumber="2")
    if not bye_first:
        consult.bye()
    consult.bench.run(1)
    assert consult.desk.result(asked)["status"] == "done"
    events = consult.desk.news()
    gone, joined, retrieved = (event["response"]["dialog"] for event in events)
    assert [event["event"] for event in events] == ["ConsultCall", "dialogState", "dialogState"]
    assert (gone["id"], gone["state"]) == (consult.consult, "DROPPED")
    assert (gone["callEndReason"], gone["isCallEnded"]) == ("CONSULT_CONFERENCE", 0)
    assert (joined["id"], joined["state"], joined["callType"]) == (consult.dialog, "ACTIVE", "CONFERENCE")
    assert (joined["customerNumber"], joined["isCallEnded"]) == ("5551234", 0)
    assert participants(joined) == [("1000", "HELD", False), ("5551234", "ACTIVE", False), ("1001", "ACTIVE", False)]
    assert participants(retrieved)[0] == ("1000", "ACTIVE", False)
    assert joined["participants"][1]["actions"]["action"] == ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]
    assert consult.pbx.ended(consult.consult_leg) is not None
    assert [dialog.id for dialog in consult.desk.session.dialogs] == [consult.dialog]
    consult.desk.done("releaseCall", dialogId=consult.dialog)
    consult.desk.done("logout", within=1)
    consult.bench.nothing_left()


def test_the_server_never_ends_the_consult(consult: Consult) -> None:
    """Then we do."""
    consult.ask()
    consult.join()
    ended = consult.pbx.ended(consult.consult_leg)
    assert ended is not None and (ended.end, ended.by_remote) == (End.BYE, True)


@pytest.mark.parametrize(
    ("reason", "text", "code"),
    [
        ("LIMIT_REACHED", "LIMIT REACHED of 4 unique members", "conference-limit"),
        ("CUSTOMER_LEFT", "CUSTOMER LEFT", "customer-left"),
        ("ON_HOLD", "call is ON HOLD", "call-on-hold"),
        ("CONSULT_LEFT", "CONSULT LEFT", "consult-left"),
        ("X", "ERROR : Unknown EVENT ", "conference-refused"),
    ],
)
def test_refused_all_is_as_it_was(consult: Consult, reason: str, text: str, code: str) -> None:
    before = [(dialog.id, dialog.state) for dialog in consult.desk.session.dialogs]
    asked = consult.ask()
    id = consult.pbx.word("CONFERENCE")[1]["id"]
    consult.pbx.say(consult.leg, "CONSULT_CONFERENCE_FAILED", id=id, reasonCode=reason)
    consult.bench.run()
    error = consult.desk.result(asked)["error"]
    assert (error["type"], error["code"]) == ("generalError", code)
    assert error["description"] == f"Consult Conference Failed due to {text}"
    assert names(consult.bench) == [f"Error {code}"]
    assert [(dialog.id, dialog.state) for dialog in consult.desk.session.dialogs] == before
    assert [state for _, state in before] == ["HELD", "ACTIVE"]


def test_the_server_does_not_know_words(consult: Consult) -> None:
    consult.pbx.info_status = 501
    error = consult.desk.failed("conference_consult", dialogId=consult.dialog)
    assert error["code"] == "not-understood"


def test_no_word_comes_and_then_it_does(consult: Consult) -> None:
    """What comes too late for the command is true all the same."""
    asked = consult.ask()
    consult.bench.run(41)
    assert consult.desk.result(asked)["error"]["code"] == "timeout"
    assert names(consult.bench) == ["Error timeout"]
    consult.join()
    consult.bench.run(1)
    assert names(consult.bench) == [
        "ConsultCall DROPPED CONSULT 1000-",
        "dialogState ACTIVE CONFERENCE 1000h 5551234 1001",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1001",
    ]


def test_the_retrieve_fails_the_conference_goes_on(consult: Consult) -> None:
    asked = consult.ask()
    consult.pbx.offers = "500"
    consult.join()
    consult.bench.run(1)
    assert consult.desk.result(asked)["status"] == "done"
    assert names(consult.bench)[-1] == "Error retrieve-refused"
    consult.pbx.offers = "answer"
    consult.desk.done("retrieveCall", dialogId=consult.dialog)
    assert names(consult.bench) == ["dialogState ACTIVE CONFERENCE 1000 5551234 1001"]


def test_without_a_consult(bench: Any) -> None:
    dialog, _ = bench.talk()
    for named, code in ((dialog, "no-consult"), ("unknown", "unknown-dialog")):
        error = bench.desk.failed("conference_consult", dialogId=named)
        assert (error["type"], error["code"]) == ("invalidState", code)
        assert error["description"] == "invalid action initiate_consult_Conference"
    assert bench.pbx.words == []


def test_while_the_consult_rings(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.send("makeConsult", numberToConsult="1001", dialogId=dialog)
    bench.run()
    assert bench.desk.failed("conference_consult", dialogId=dialog)["code"] == "no-consult"


@pytest.mark.parametrize("who", ["customer", "consult"])
def test_somebody_hangs_up_meanwhile(consult: Consult, who: str) -> None:
    asked = consult.ask()
    leg = consult.leg if who == "customer" else consult.consult_leg
    consult.pbx.ua.hangup(leg, consult.bench.network.now(), headers=[("Reason", 'Q.850;text="NORMAL_CLEARING"')])
    consult.bench.run()
    if who == "customer":
        assert consult.desk.result(asked)["error"]["code"] == "call-ended"
    else:
        error = consult.desk.result(asked)["error"]
        assert (error["code"], error["description"]) == (
            "consult-left",
            "Consult Conference Failed due to CONSULT LEFT",
        )
        assert names(consult.bench) == ["ConsultCall DROPPED CONSULT 1000-", "Error consult-left"]
        assert consult.desk.dialog(consult.consult)["isCallEnded"] == 1
        id = consult.pbx.word("CONFERENCE")[1]["id"]
        consult.pbx.say(consult.leg, "CONSULT_CONFERENCE_FAILED", id=id, reasonCode="CONSULT_LEFT")
        consult.bench.run()
        assert consult.desk.news() == []
    consult.desk.done("logout", within=1)
    consult.bench.nothing_left()


def test_logout_meanwhile(consult: Consult) -> None:
    asked = consult.ask()
    consult.desk.done("logout", within=1)
    assert consult.desk.result(asked)["error"]["code"] == "call-ended"
    consult.bench.nothing_left()


def test_an_outage_meanwhile(consult: Consult) -> None:
    """The answer came, but what is said in an outage is lost."""
    asked = consult.ask()
    consult.bench.network.reset(consult.desk.host)
    consult.bench.run(2)
    assert consult.pbx.word("MEMBER_STATE")[1]["id"] == consult.pbx.word("CONFERENCE")[1]["id"]
    consult.pbx.rebind()
    consult.join()
    assert consult.desk.result(asked)["status"] == "done"


def ask_in_an_outage(consult: Consult) -> str:
    """The ask arrives, its answer does not; then the server can be reached again. Gives the command."""
    consult.pbx.info_status = 0
    asked = consult.ask()
    consult.bench.network.reset(consult.desk.host)
    consult.pbx.info_status = 200
    consult.bench.run(1)
    consult.pbx.rebind()
    assert consult.desk.results(asked) == [] and names(consult.bench) == []
    return asked


JOINED = [
    "ConsultCall DROPPED CONSULT 1000-",
    "dialogState ACTIVE CONFERENCE 1000h 5551234 1001",
    "dialogState ACTIVE CONFERENCE 1000 5551234 1001",
]


@pytest.mark.parametrize("word_first", [True, False])
def test_the_answer_is_lost_and_there_is_a_conference(consult: Consult, word_first: bool) -> None:
    """Who says how it is as a member learns who the members are; a second conference is not asked for."""
    asked = ask_in_an_outage(consult)
    leg, word = consult.pbx.word("MEMBER_STATE")
    assert (leg, word["held"], word["muted"]) == (consult.pbx.at(consult.leg), True, False)
    assert word["id"] == consult.pbx.word("CONFERENCE")[1]["id"]
    told = {} if word_first else {"id": word["id"]}
    if word_first:
        consult.pbx.conference(consult.leg, *NORMAL, reason="MEMBER_STATE", **told)
        consult.bench.run()
    consult.pbx.say(consult.leg, "DONE", id=word["id"])
    consult.bench.run()
    if not word_first:
        assert consult.desk.results(asked) == []
        consult.pbx.conference(consult.leg, *NORMAL, reason="MEMBER_STATE", **told)
    consult.bench.run(1)
    assert consult.desk.result(asked)["status"] == "done"
    assert names(consult.bench) == JOINED
    assert consult.desk.dialog(consult.consult)["callEndReason"] == "CONSULT_CONFERENCE"
    assert consult.pbx.ended(consult.consult_leg) is not None
    assert [word["event"] for _, word in consult.pbx.words].count("CONFERENCE") == 1


def test_the_answer_is_lost_and_there_is_no_conference(consult: Consult) -> None:
    asked = ask_in_an_outage(consult)
    id = consult.pbx.word("MEMBER_STATE")[1]["id"]
    consult.pbx.say(consult.leg, "FAILED", id=id, reasonCode="NOT_ALLOWED")
    consult.bench.run(4)
    assert consult.desk.results(asked) == []  # the leg may be new to the server
    consult.bench.run(2)
    assert consult.desk.result(asked)["error"]["code"] == "not-sent"
    assert names(consult.bench) == ["Error not-sent"]
    again = consult.ask()
    consult.join()
    assert consult.desk.result(again)["status"] == "done"


@pytest.mark.parametrize("known", [True, False])
def test_the_answer_is_lost_and_the_server_tells_by_itself(consult: Consult, known: bool) -> None:
    """Our leg was taken over by another one, which came into the conference as anew."""
    asked = ask_in_an_outage(consult)
    id = consult.pbx.word("MEMBER_STATE")[1]["id"]
    if known:
        consult.pbx.conference(consult.leg, *NORMAL, reason="MEMBER_ADDED")
        consult.pbx.say(consult.leg, "DONE", id=id)
    else:
        consult.pbx.say(consult.leg, "FAILED", id=id, reasonCode="NOT_ALLOWED")
        consult.bench.run(3)
        consult.pbx.conference(consult.leg, *NORMAL, reason="MEMBER_ADDED")
    consult.bench.run(10)
    assert consult.desk.result(asked)["status"] == "done"
    assert names(consult.bench) == JOINED


def test_the_answer_is_lost_and_the_call_ends(consult: Consult) -> None:
    asked = ask_in_an_outage(consult)
    consult.pbx.say(consult.leg, "FAILED", id=consult.pbx.word("MEMBER_STATE")[1]["id"], reasonCode="NOT_ALLOWED")
    consult.bench.run(1)
    consult.pbx.bye(consult.leg)
    consult.bench.run(10)
    assert consult.desk.result(asked)["error"]["code"] == "call-ended"


def test_the_answer_is_lost_and_nothing_is_ever_said(consult: Consult) -> None:
    asked = ask_in_an_outage(consult)
    consult.bench.run(40)
    assert consult.desk.result(asked)["error"]["code"] == "timeout"


def test_members_left_while_the_server_was_out_of_reach(conference: Consult) -> None:
    """What the server said meanwhile is lost; who says how it is, is told again."""
    conference.bench.network.reset(conference.desk.host)
    before = len(conference.pbx.words)
    conference.bench.run(1)
    assert [word["event"] for _, word in conference.pbx.words[before:]] == ["MEMBER_STATE"]


def test_commands_wait(consult: Consult) -> None:
    """One after another; the retrieve of ours comes behind them."""
    asked = consult.ask()
    muted = consult.desk.ask("mute_call", dialogId=consult.dialog)
    consult.bench.run()
    assert consult.desk.results(muted) == []
    consult.join()
    consult.bench.run(1)
    assert [consult.desk.result(each)["status"] for each in (asked, muted)] == ["done", "done"]
    assert participants(consult.desk.dialog(consult.dialog))[0] == ("1000", "ACTIVE", True)


# The consulted agent, and the monitored one


@pytest.mark.parametrize("known", [True, False])
def test_the_consulted_agent(bench: Any, known: bool) -> None:
    headers = (("X-Calltype", "CONSULT"), ("X-CustomerNumber", "5551234"))
    dialog, leg = bench.answers(user="1002", headers=headers)
    more = {"customerDialogId": "crm-42", "customerNumber": "5551234", "customerDestinationNumber": "800"}
    bench.pbx.conference(leg, "1002", "5551234c", "1000", reason="CONSULT_CONFERENCE", **(more if known else {}))
    bench.run()
    first, second = bench.desk.news()
    gone, new = first["response"]["dialog"], second["response"]["dialog"]
    assert (first["event"], gone["id"], gone["state"]) == ("ConsultCall", dialog, "DROPPED")
    assert (gone["callEndReason"], gone["isCallEnded"]) == ("CONSULT_CONFERENCE", 0)
    assert (second["event"], new["state"], new["callType"]) == ("dialogState", "ACTIVE", "CONFERENCE")
    assert new["id"] == ("crm-42" if known else dialog)
    assert (new["customerNumber"], new["fromAddress"]) == ("5551234", "5551234")
    assert participants(new) == [("1000", "ACTIVE", False), ("1002", "ACTIVE", False), ("5551234", "ACTIVE", False)]
    bench.desk.done("holdCall", dialogId=new["id"])
    assert names(bench) == ["dialogState ACTIVE CONFERENCE 1000h 1002 5551234"]
    bench.desk.done("releaseCall", dialogId=new["id"])


def test_an_id_that_is_in_use(bench: Any) -> None:
    other, _ = bench.answers(headers=(("X-Call-Id", "crm-42"),))
    dialog, leg = bench.answers(user="1002", headers=(("X-Calltype", "CONSULT"),))
    bench.pbx.conference(leg, "1002", "5551234c", "1000", reason="CONSULT_CONFERENCE", customerDialogId="crm-42")
    bench.run()
    assert other == "crm-42" and bench.desk.dialog()["id"] == dialog
    assert sorted(each.id for each in bench.desk.session.dialogs) == sorted([other, dialog])


def test_a_retry_that_waits_takes_the_new_id_along(bench: Any) -> None:
    dialog, leg = bench.answers(user="1002", headers=(("X-Calltype", "CONSULT"),))
    bench.pbx.offers = "487"
    held = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    bench.pbx.offers = "answer"
    bench.pbx.conference(leg, "1002", "5551234c", "1000", reason="CONSULT_CONFERENCE", customerDialogId="crm-42")
    bench.run(1)
    assert bench.desk.result(held)["status"] == "done"
    assert participants(bench.desk.dialog("crm-42"))[0][1] == "HELD"


@pytest.mark.parametrize("outbound", [True, False])
def test_the_agent_that_is_barged_in_on(bench: Any, outbound: bool) -> None:
    """RB §7.3: the reference told nothing of it in a call that the agent had made."""
    dialog, leg = bench.talk("5551234") if outbound else bench.answers()
    bench.pbx.conference(leg, *NORMAL, reason="BARGE_CONFERENCE", customerDialogId="other")
    bench.run()
    first, second = bench.desk.news()
    gone, new = first["response"]["dialog"], second["response"]["dialog"]
    assert (gone["id"], gone["state"], gone["isCallEnded"]) == (dialog, "DROPPED", 0)
    assert gone["callEndReason"] == "BARGE_CONFERENCE"
    assert (new["id"], new["callType"], new["state"]) == (dialog, "CONFERENCE", "ACTIVE")
    assert new["fromAddress"] == ("1000" if outbound else "5551234")
    assert bench.desk.session.dialogs[0].callEndReason is None


# Members come and go


def test_members_come_and_go(conference: Consult) -> None:
    bench, leg = conference.bench, conference.leg
    bench.pbx.conference(leg, *NORMAL, "1003", reason="MEMBER_ADDED")
    bench.run()
    assert names(bench) == ["dialogState ACTIVE CONFERENCE 1000 5551234 1001 1003"]
    bench.pbx.conference(leg, "1000", "5551234c", "1003", reason="MEMBER_LEFT")
    bench.run()
    assert names(bench) == [
        "dialogState ACTIVE CONFERENCE 1000 5551234 1001- 1003",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1003",
    ]
    bench.pbx.conference(leg, "1000", "5551234c", "1003h", reason="MEMBER_STATE")
    bench.pbx.conference(leg, "1000", "5551234c", "1003h", reason="MEMBER_STATE")
    bench.pbx.conference(leg, "1000", "5551234c", "1003m", reason="MEMBER_STATE")
    bench.run()
    assert names(bench) == [
        "dialogState ACTIVE CONFERENCE 1000 5551234 1003h",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1003m",
    ]


@pytest.mark.parametrize("held", [True, False])
def test_two_are_left(conference: Consult, held: bool) -> None:
    bench, leg, dialog = conference.bench, conference.leg, conference.dialog
    if held:
        bench.desk.done("holdCall", dialogId=dialog)
        bench.desk.news()
    bench.pbx.conference(leg, "1000", "5551234c", reason="MEMBER_LEFT")
    bench.run()
    own, state = ("1000h", "HELD") if held else ("1000", "ACTIVE")
    assert names(bench) == [
        f"dialogState ACTIVE CONFERENCE {own} 5551234 1001-",
        f"dialogState ACTIVE CONFERENCE {own} 5551234",
        f"dialogState {state} OTHER_IN {own}",
    ]
    assert bench.desk.dialog()["id"] == dialog
    bench.pbx.conference(leg, "1000", "5551234c", reason="MEMBER_STATE")
    bench.run()
    assert bench.desk.news() == []
    bench.desk.done("retrieveCall", dialogId=dialog)
    bench.desk.done("holdCall", dialogId=dialog)
    assert bench.desk.dialog()["state"] == "HELD"


def test_a_conference_again(conference: Consult) -> None:
    bench, leg = conference.bench, conference.leg
    bench.pbx.conference(leg, "1000", "5551234c", reason="MEMBER_LEFT")
    bench.run()
    bench.desk.news()
    bench.pbx.conference(leg, *NORMAL, reason="BARGE_CONFERENCE")
    bench.run()
    assert names(bench) == ["dialogState DROPPED OTHER_IN 1000-", "dialogState ACTIVE CONFERENCE 1000 5551234 1001"]


def test_the_customer_leaves(conference: Consult) -> None:
    """The server ends it for all."""
    reason = [("Reason", 'Q.850;cause=16;text="CUSTOMER_LEFT"')]
    conference.pbx.ua.hangup(conference.leg, conference.bench.network.now(), headers=reason)
    conference.bench.run()
    (event,) = conference.desk.news()
    dialog = event["response"]["dialog"]
    assert (dialog["state"], dialog["callEndReason"], dialog["isCallEnded"]) == ("DROPPED", "CUSTOMER_LEFT", 1)
    assert dialog["callType"] == "CONFERENCE"


# How we are


def test_own_hold_and_mute(conference: Consult) -> None:
    """RB §3.6: the conference goes on, one of its members holds."""
    bench, dialog = conference.bench, conference.dialog
    for action, own, word in (
        ("holdCall", "1000h", (True, False)),
        ("mute_call", "1000hm", (True, True)),
        ("retrieveCall", "1000m", (False, True)),
        ("unmute_call", "1000", (False, False)),
    ):
        bench.desk.done(action, dialogId=dialog)
        assert names(bench) == [f"dialogState ACTIVE CONFERENCE {own} 5551234 1001"]
        leg, said = bench.pbx.word("MEMBER_STATE")
        assert (leg, said["held"], said["muted"]) == (conference.leg, *word)
    bench.pbx.say(conference.leg, "DONE", id=said["id"])
    bench.pbx.conference(conference.leg, "1000h", "5551234c", "1001", reason="MEMBER_STATE")
    bench.run()
    assert bench.desk.news() == []  # of ourselves we know best


def test_an_ordinary_call_tells_nobody(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.done("holdCall", dialogId=dialog)
    assert bench.pbx.words == []


def test_hold_in_a_conference_that_was_held_before(consult: Consult) -> None:
    consult.ask()
    consult.pbx.offers = "500"
    consult.join()
    consult.bench.run()
    names(consult.bench)
    consult.desk.done("holdCall", dialogId=consult.dialog)
    assert names(consult.bench) == ["dialogState ACTIVE CONFERENCE 1000h 5551234 1001"]


# dropParticipant


def test_drop_participant(conference: Consult) -> None:
    bench = conference.bench
    asked = bench.desk.ask("dropParticipant", dialogId=conference.dialog, participant="1001")
    bench.run()
    leg, word = bench.pbx.word("DROP_MEMBER")
    assert (leg, word["member"]) == (conference.leg, "1001")
    bench.pbx.say(leg, "DONE", id=word["id"])
    bench.run()
    assert bench.desk.result(asked)["status"] == "done"


@pytest.mark.parametrize(("participant", "code"), [("1000", "unknown-participant"), ("1009", "unknown-participant")])
def test_drop_who_is_not_there(conference: Consult, participant: str, code: str) -> None:
    error = conference.desk.failed("dropParticipant", dialogId=conference.dialog, participant=participant)
    assert error["code"] == code


def test_drop_refused(conference: Consult) -> None:
    bench = conference.bench
    asked = bench.desk.ask("dropParticipant", dialogId=conference.dialog, participant="1001")
    bench.run()
    bench.pbx.say(conference.leg, "FAILED", id=bench.pbx.word("DROP_MEMBER")[1]["id"], reasonCode="NO_SUCH_MEMBER")
    bench.run()
    assert bench.desk.result(asked)["error"]["code"] == "drop-refused"
    assert names(bench) == ["Error drop-refused"]


def test_drop_outside_of_a_conference(bench: Any) -> None:
    dialog, _ = bench.talk()
    error = bench.desk.failed("dropParticipant", dialogId=dialog, participant="1001")
    assert (error["type"], error["description"]) == ("invalidState", "invalid action dropParticipant")


# What is dropped


def test_words_for_calls_that_are_not_up(bench: Any) -> None:
    invite = bench.dial()
    bench.pbx.ua.ring(invite.session, bench.network.now())
    bench.run()
    bench.desk.news()
    bench.pbx.conference(invite.session, *NORMAL, reason="BARGE_CONFERENCE")
    bench.run()
    assert bench.desk.news() == []


def test_no_other_call_is_shown(conference: Consult) -> None:
    """A word in one call says nothing of another; nor does a MESSAGE, in this dialect."""
    bench = conference.bench
    other, leg = bench.answers(user="5559876")
    bench.run()
    bench.desk.news()
    bench.pbx.conference(leg, "1000", "5559876c", "1007", reason="BARGE_CONFERENCE")
    bench.run()
    assert {event["response"]["dialog"]["id"] for event in bench.desk.news()} == {other}
    for event in ("CONFERENCE", "CONFERENCE_MEMBER_HOLD", "MONITORING_FAILED", "BARGE_FAILED"):
        members = {"members": [{"ext": "1001"}]}
        bench.pbx.message(
            {"event": event, "dialog": {"id": conference.dialog}, "additionalAttributes": members}, user="1001"
        )
    bench.run()
    assert bench.desk.news() == []


def test_offers_are_only_what_is_needed(conference: Consult) -> None:
    """The join itself needs no re-INVITE: hold for the consult, retrieve after the join."""
    assert sum(isinstance(event, OfferReceived) for event in conference.pbx.events) == 2


def test_in_another_process(conference: Consult) -> None:
    """Who comes and goes is told on; and it becomes an ordinary call."""
    bench, leg = conference.bench, conference.leg
    bench.restart()
    bench.pbx.conference(leg, *NORMAL, "1003", reason="MEMBER_ADDED")
    bench.pbx.conference(leg, "1000", "5551234c", reason="MEMBER_LEFT")
    bench.run()
    assert names(bench) == [
        "dialogState ACTIVE CONFERENCE 1000 5551234 1001 1003",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1001- 1003",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1003",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1003-",
        "dialogState ACTIVE CONFERENCE 1000 5551234",
        "dialogState ACTIVE OTHER_IN 1000",
    ]
    bench.desk.done("releaseCall", dialogId=conference.dialog)


def test_a_process_that_dies_while_it_is_made(consult: Consult) -> None:
    """The command is lost with it; that the calls were joined is not."""
    consult.ask()
    consult.bench.restart()
    consult.desk.news()
    consult.join()
    consult.bench.run(1)
    assert names(consult.bench) == [
        "ConsultCall DROPPED CONSULT 1000-",
        "dialogState ACTIVE CONFERENCE 1000h 5551234 1001",
        "dialogState ACTIVE CONFERENCE 1000 5551234 1001",
    ]
    assert consult.pbx.ended(consult.consult_leg) is not None


def test_a_consult_that_is_barged_in_on(consult: Consult) -> None:
    """The word comes in the consult: it says nothing of the customer's call, which stays held."""
    consult.pbx.conference(consult.consult_leg, "1000", "1001", "1009", reason="BARGE_CONFERENCE")
    consult.bench.run(1)
    assert names(consult.bench) == [
        "ConsultCall DROPPED CONSULT 1000-",
        "dialogState ACTIVE CONFERENCE 1000 1001 1009",
    ]
    states = {dialog.id: (dialog.state, dialog.callType) for dialog in consult.desk.session.dialogs}
    assert states == {consult.dialog: ("HELD", "OTHER_IN"), consult.consult: ("ACTIVE", "CONFERENCE")}


@pytest.mark.parametrize("how", ["release", "DROPPED_BY_MEMBER", "CONFERENCE_ENDED"])
def test_out_of_the_conference(conference: Consult, how: str) -> None:
    """Who leaves or is sent out has not ended the call (`isCallEnded` 0): the customer talks on with the others."""
    if how == "release":
        conference.desk.done("releaseCall", dialogId=conference.dialog)
    else:
        conference.pbx.bye(conference.leg, f'Q.850;cause=16;text="{how}"')
        conference.bench.run()
    dialog = conference.desk.dialog()
    assert (dialog["state"], dialog["isCallEnded"]) == ("DROPPED", 1 if how == "CONFERENCE_ENDED" else 0)
    assert dialog["callEndReason"] == (None if how == "release" else how)


def test_leaving_what_is_no_conference_any_more(conference: Consult) -> None:
    conference.pbx.conference(conference.leg, "1000", "5551234c", reason="MEMBER_LEFT")
    conference.bench.run()
    conference.desk.done("releaseCall", dialogId=conference.dialog)
    assert conference.desk.dialog()["isCallEnded"] == 1


def test_the_customer_is_dropped_and_the_end_comes_first(conference: Consult) -> None:
    """The server ends the conference with the customer: that is what was asked for."""
    customer = conference.desk.dialog()["customerNumber"]
    asked = conference.desk.ask("dropParticipant", dialogId=conference.dialog, participant=customer)
    conference.bench.run()
    conference.pbx.bye(conference.leg, 'Q.850;cause=16;text="CUSTOMER_LEFT"')
    conference.bench.run()
    assert conference.desk.result(asked)["status"] == "done"


def test_a_conference_while_it_is_queued(bench: Any) -> None:
    """To desks it has not begun, so it cannot become a conference."""
    bench.answers()
    invite = bench.consults("makeConsultQueue", numberToTransfer="5900", queue="support", queueType="NAME")
    bench.pbx.take(invite)
    bench.run()
    bench.desk.news()
    bench.pbx.conference(invite.session, "1000", "1001", "5551234c", reason="MEMBER_ADDED")
    bench.run()
    assert bench.desk.heard() == []
