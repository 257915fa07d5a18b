"""Commands on one call, one after another: contract §1."""

from __future__ import annotations

from typing import Any


def test_in_order(bench: Any) -> None:
    dialog, _ = bench.talk()
    actions = ["holdCall", "mute_call", "SendDtmf", "retrieveCall", "unmute_call"]
    for action in actions:
        bench.desk.send(action, id=action, dialogId=dialog, **({"message": "1"} if action == "SendDtmf" else {}))
    bench.run()
    results = [
        told["id"] for _, told in bench.desk.replies if told["event"] == "commandResult" and told["id"] in actions
    ]
    assert results == actions
    assert bench.desk.heard() == [
        "dialogState HELD",
        "dialogState HELD",
        "DTMF 1",
        "dialogState ACTIVE",
        "dialogState ACTIVE",
    ]


def test_calls_do_not_wait_for_one_another(bench: Any) -> None:
    one, _ = bench.talk("111")
    two, _ = bench.talk("222")
    bench.pbx.offers = "keep"
    stuck = bench.desk.ask("holdCall", dialogId=one)
    bench.run()
    bench.pbx.offers = "answer"
    bench.desk.done("holdCall", dialogId=two)
    assert bench.desk.results(stuck) == []


def test_so_many_may_wait(make_bench: Any) -> None:
    bench = make_bench(max_waiting_commands=3)
    bench.login()
    dialog, _ = bench.talk()
    bench.pbx.offers = "keep"
    asked = [bench.desk.ask("holdCall", dialogId=dialog) for _ in range(5)]
    bench.run()
    assert [len(bench.desk.results(one)) for one in asked] == [0, 0, 0, 0, 1]
    assert bench.desk.result(asked[4])["error"]["code"] == "too-many-commands"


def test_a_stuck_command_gives_way_in_time(bench: Any) -> None:
    """Its time begins with its execution, so the ones behind it still have theirs."""
    dialog, _ = bench.talk()
    bench.pbx.deaf_to = "INFO"
    first = bench.desk.ask("SendDtmf", dialogId=dialog, message="1")
    second = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(31)
    assert bench.desk.results(first) == [] and bench.desk.results(second) == []
    bench.run(10)
    assert bench.desk.result(first)["status"] == "failed"
    assert len(bench.desk.results(second)) == 1


def test_every_one_has_an_outcome_when_the_call_ends(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    asked = [
        bench.desk.ask(action, dialogId=dialog) for action in ("holdCall", "retrieveCall", "mute_call", "holdCall")
    ]
    bench.run()
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run()
    assert [len(bench.desk.results(one)) for one in asked] == [1] * 4
    assert bench.desk.result(asked[0])["status"] == bench.desk.result(asked[-1])["status"] == "failed"
    assert bench.desk.heard().count("dialogState DROPPED") == 1
