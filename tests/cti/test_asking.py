"""What is asked of the server, and whose word is an outcome: RB §7.3. The commands have tests of their own."""

from __future__ import annotations

from typing import Any

import pytest


def asked(bench: Any) -> tuple[str, str, str]:
    """An ask that is out: the command's id, the server's session, the id of the word."""
    dialog, leg = bench.talk()
    command = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    bench.run()
    return command, leg, bench.pbx.words[-1][1]["id"]


def test_the_word_may_come_before_the_200(bench: Any) -> None:
    dialog, leg = bench.talk()
    bench.network.conditions = type(bench.network.conditions)(delay=0.05)
    responses: list[Any] = []
    bench.pbx.ua.respond, respond = lambda *args, **more: responses.append((args, more)), bench.pbx.ua.respond
    command = bench.desk.ask("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    bench.run(0.06)
    bench.pbx.say(leg, "DONE", id=bench.pbx.words[-1][1]["id"])
    bench.run(0.06)
    assert bench.desk.result(command)["status"] == "done"
    ((key, _, now), more) = responses[0]
    respond(key, 500, now, **more)
    bench.run(1)
    assert len(bench.desk.results(command)) == 1 and "Error" not in str(bench.desk.heard())


@pytest.mark.parametrize("event", ["DONE", "FAILED", "CONSULT_CONFERENCE_FAILED"])
def test_only_the_id_counts(bench: Any, event: str) -> None:
    command, leg, id = asked(bench)
    for other in ("x", "", None):
        bench.pbx.say(leg, event, id=other)
    bench.pbx.say(leg, "NEWS", id=id)
    bench.run()
    assert bench.desk.results(command) == [] and bench.desk.heard() in ([], ["dialogState ACTIVE"])


def test_the_word_of_another_call(bench: Any) -> None:
    command, _, id = asked(bench)
    _, other = bench.talk("5550000")
    bench.pbx.say(other, "DONE", id=id)
    bench.run()
    assert bench.desk.results(command) == []


def test_an_outcome_is_one(bench: Any) -> None:
    command, leg, id = asked(bench)
    for event in ("DONE", "FAILED", "DONE"):
        bench.pbx.say(leg, event, id=id)
    bench.run(10)
    assert bench.desk.result(command)["status"] == "done"


def test_no_flow(bench: Any) -> None:
    """Asked in a session over a flow that is gone: no answer comes; when there is another flow it is asked again."""
    dialog, _ = bench.talk()
    bench.network.reset(bench.desk.host, told=False)
    bench.desk.done("updateCallVariableData", within=60, dialogId=dialog, callVariables={"a": "b"})
    assert [word["event"] for _, word in bench.pbx.words] == ["VARIABLES"]


def test_the_answer_is_lost_in_a_dialect_without_words(make_bench: Any) -> None:
    """Digits are not sent again: they could do it twice. A word can still tell."""
    bench = make_bench(dialect="efcx")
    bench.login()
    customer, *_ = bench.pair()
    bench.pbx.info_status = 0
    asked = bench.desk.ask("conference_consult", dialogId=customer)
    bench.network.reset(bench.desk.host)
    bench.run(2)
    assert bench.desk.results(asked) == []
    bench.run(40)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
