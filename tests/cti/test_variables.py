"""Call variables that a desk changes: contract §2 (updateCallVariableData)."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.cti.variables import MAX_VARIABLES, SILENCE


def variables(bench: Any) -> dict[str, str]:
    return {each["name"]: each["value"] for each in bench.desk.dialog()["callVariables"]["CallVariable"]}


def test_told_to_the_server_and_to_the_desks(bench: Any) -> None:
    dialog, leg = bench.answers(headers=(("X-Call-Variable1", "a"), ("X-Call-Variable2", "b")))
    given = {"callVariable2": "Größe 5", "note_1": "new"}
    asked = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables=given)
    bench.run()
    where, word = bench.pbx.word("VARIABLES")
    assert (where, word["variables"]) == (leg, given)
    assert bench.desk.news() == [] and bench.desk.results(asked) == []
    bench.pbx.say(leg, "DONE", id=word["id"])
    bench.run()
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert variables(bench) == {"callVariable1": "a", **given}
    assert bench.desk.dialog()["isCallAlreadyActive"] is True
    assert bench.desk.result(asked)["status"] == "done"
    bench.run(60)
    assert bench.desk.news() == []


def test_a_server_that_takes_no_words(bench: Any) -> None:
    """Stock FreeSWITCH: 200, and then nothing."""
    dialog, _ = bench.talk()
    asked = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    bench.run(SILENCE - 0.1)
    assert bench.desk.results(asked) == []
    bench.run(0.2)
    assert bench.desk.result(asked)["status"] == "done"
    assert variables(bench) == {"callVariable0": "", "a": "b"}


@pytest.mark.parametrize("how", ["FAILED", "info"])
def test_refused_the_record_is_as_it_was(bench: Any, how: str) -> None:
    dialog, leg = bench.talk()
    bench.pbx.info_status = 500 if how == "info" else 200
    asked = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    bench.run()
    if how == "FAILED":
        bench.pbx.say(leg, "FAILED", id=bench.pbx.word("VARIABLES")[1]["id"])
        bench.run()
    code = {"FAILED": "variables-refused", "info": "not-understood"}[how]
    assert bench.desk.result(asked)["error"]["code"] == code
    assert bench.desk.heard() == [f"Error {code}"]
    assert variables(bench) == {"callVariable0": ""}
    bench.run(10)
    assert bench.desk.news() == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"a": "x\r\nX-Evil: 1"}, "invalid-parameter"),
        ({"a": "\x00"}, "invalid-parameter"),
        ({"a b": "c"}, "invalid-parameter"),
        ({}, "invalid-parameter"),
        ({f"v{n}": "x" * 512 for n in range(32)}, "too-many-variables"),
    ],
)
def test_what_is_not_sent(bench: Any, given: dict[str, str], code: str) -> None:
    dialog, _ = bench.talk()
    assert bench.desk.failed("updateCallVariableData", dialogId=dialog, callVariables=given)["code"] == code
    assert bench.pbx.words == []


def test_a_call_has_so_many_and_no_more(bench: Any) -> None:
    dialog, _ = bench.talk()
    for first in range(0, MAX_VARIABLES - 1, 21):
        given = {f"v{n}": "x" for n in range(first, first + 21)}
        bench.desk.done("updateCallVariableData", within=SILENCE, dialogId=dialog, callVariables=given)
    error = bench.desk.failed("updateCallVariableData", dialogId=dialog, callVariables={"more": "x"})
    assert error["code"] == "too-many-variables"
    bench.desk.done("updateCallVariableData", within=SILENCE, dialogId=dialog, callVariables={"v1": "y"})


def test_a_call_that_rings(bench: Any) -> None:
    dialog, _ = bench.rings()
    error = bench.desk.failed("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    assert (error["type"], error["description"]) == ("invalidState", "invalid action updateCallVariableData")


@pytest.mark.parametrize("end", ["hangup", "logout"])
def test_it_ends_meanwhile(bench: Any, end: str) -> None:
    dialog, leg = bench.talk()
    asked = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    bench.run(0.5)
    if end == "hangup":
        bench.pbx.ua.hangup(leg, bench.network.now())
        bench.run()
    bench.desk.done("logout", within=1)
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    bench.nothing_left()
    bench.run(5)


def test_held_it_stays_held(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.done("updateCallVariableData", within=SILENCE, dialogId=dialog, callVariables={"a": "b"})
    assert bench.desk.dialog()["state"] == "HELD"


def test_the_call_becomes_a_conference_meanwhile(bench: Any) -> None:
    """Its id changes; what is under way is not lost."""
    dialog, leg = bench.answers(headers=(("X-Calltype", "CONSULT"),))
    asked = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    bench.run()
    bench.pbx.conference(leg, "1000", "1001", "555c", reason="CONSULT_CONFERENCE", customerDialogId="crm-42")
    bench.run(3)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.dialog()["id"] == "crm-42" and variables(bench)["a"] == "b"


def test_the_same_variables_again_in_a_queue(bench: Any) -> None:
    """A second INITIATED with no news would mislead desks; the command is done all the same."""
    bench.answers()
    invite = bench.consults("makeConsultQueue", numberToTransfer="5900", queue="support", queueType="NAME")
    bench.pbx.take(invite)
    bench.run()
    consult = bench.desk.dialog()["id"]
    bench.desk.news()
    for heard in (["ConsultCall INITIATED"], []):
        bench.desk.done("updateCallVariableData", dialogId=consult, callVariables={"a": "b"}, within=3)
        assert bench.desk.heard() == heard
