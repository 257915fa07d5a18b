"""SendDtmf: contract §2 row 17; RB §3.14, §8.8."""

from __future__ import annotations

from typing import Any

from offhook.media.engine import SendDigits


def test_one_info_a_digit_in_order(bench: Any) -> None:
    dialog, _ = bench.talk()
    asked = bench.desk.ask("SendDtmf", dialogId=dialog, message="12#A")
    bench.run()
    assert bench.pbx.digits == [f"Signal={digit}\r\nDuration=160\r\n" for digit in "12#A"]
    assert bench.desk.heard() == ["DTMF 1"]
    told = bench.desk.events[-1]["response"]
    assert told == {"loginId": "1000", "type": 1, "description": "Success", "dialogId": dialog}
    assert bench.desk.result(asked)["status"] == "done"


def test_the_next_after_the_2xx_of_the_former(bench: Any) -> None:
    bench.network.conditions = type(bench.network.conditions)(delay=0.1)
    bench.desk.send("makeCall", calledNumber="1", Destination_Number="1", callType="audio")
    bench.run(1)
    bench.pbx.take(bench.pbx.invites[-1])
    bench.run(1)
    bench.desk.news()
    asked = bench.desk.ask("SendDtmf", dialogId=bench.desk.dialog()["id"], message="123")
    bench.run(0.15)
    assert len(bench.pbx.digits) == 1 and bench.desk.news() == []
    bench.run(0.5)
    assert bench.desk.heard() == ["DTMF 1"] and bench.desk.result(asked)["status"] == "done"


def test_refused(bench: Any) -> None:
    """RB §8.8: the reference told success when it sent."""
    dialog, _ = bench.talk()
    bench.pbx.info_status = 415
    assert bench.desk.failed("SendDtmf", dialogId=dialog, message="12")["code"] == "digits-refused"
    assert bench.desk.heard() == ["DTMF 0"]
    assert bench.desk.events[-1]["response"]["description"] == "Failed Unsupported Media Type"
    assert len(bench.pbx.digits) == 1


def test_two_at_once_do_not_mix(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.ask("SendDtmf", dialogId=dialog, message="111")
    bench.desk.ask("SendDtmf", dialogId=dialog, message="222")
    bench.run()
    assert [text[7] for text in bench.pbx.digits] == list("111222")
    assert bench.desk.heard() == ["DTMF 1", "DTMF 1"]


def test_the_call_ends_meanwhile(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.network.conditions = type(bench.network.conditions)(delay=0.1)
    asked = bench.desk.ask("SendDtmf", dialogId=dialog, message="12345678")
    bench.run(0.5)
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run(2)
    assert bench.desk.heard() == ["DTMF 0", "dialogState DROPPED"]
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"


def test_only_on_an_established_call(bench: Any) -> None:
    """RB §8.13: an unknown dialog was silence."""
    dialog, _ = bench.rings()
    bench.desk.news()
    for named in (dialog, "nobody"):
        error = bench.desk.failed("SendDtmf", dialogId=named, message="1")
        assert (error["type"], error["description"], error["dialogId"]) == (
            "invalidState",
            "invalid action SendDtmf",
            named,
        )


def test_while_it_is_held(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.done("SendDtmf", dialogId=dialog, message="1")


def test_by_rtp(make_bench: Any) -> None:
    bench = make_bench(dtmf="rtp", dtmf_duration_ms=100)
    bench.login()
    dialog, _ = bench.talk()
    bench.desk.done("SendDtmf", dialogId=dialog, message="78#")
    request = bench.desk.requests[-1]
    assert isinstance(request, SendDigits) and (request.digits, request.duration_ms) == ("78#", 100)
    assert bench.pbx.digits == []
    assert bench.desk.heard() == ["DTMF 1"]
    bench.desk.fail_next[SendDigits] = "unsupported"
    assert bench.desk.failed("SendDtmf", dialogId=dialog, message="1")["code"] == "media-unsupported"
    assert bench.desk.heard() == ["DTMF 0"]


def test_the_engine_takes_too_long(make_bench: Any) -> None:
    bench = make_bench(dtmf="rtp")
    bench.login()
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    assert bench.desk.failed("SendDtmf", 11, dialogId=dialog, message="1")["code"] == "media-timeout"
    assert bench.desk.heard() == ["DTMF 0"]


def test_no_answer_in_time(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.pbx.deaf_to = "INFO"
    asked = bench.desk.ask("SendDtmf", dialogId=dialog, message="1")
    bench.run(41)
    assert bench.desk.result(asked)["status"] == "failed"
    assert bench.desk.heard().count("DTMF 0") == 1


def test_no_digit_is_shown(bench: Any) -> None:
    """They may be card numbers."""
    dialog, _ = bench.talk()
    bench.desk.send("SendDtmf", dialogId=dialog, message="4711")
    call = bench.desk.session._work.calls[dialog]
    assert "4711" not in repr(call) + repr(bench.desk.session.outputs())


def test_the_time_is_over(make_bench: Any) -> None:
    bench = make_bench(command_timeout=5.0)
    bench.login()
    dialog, _ = bench.talk()
    bench.pbx.deaf_to = "INFO"
    assert bench.desk.failed("SendDtmf", within=6, dialogId=dialog, message="12")["code"] == "timeout"
    assert bench.desk.heard() == ["DTMF 0"]
    assert "time" in bench.desk.events[-1]["response"]["description"]
    bench.pbx.deaf_to = ""
    bench.run(20)
    assert bench.desk.news() == []
    bench.desk.done("SendDtmf", dialogId=dialog, message="3")


def test_the_flow_is_gone_when_their_turn_comes(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.pbx.deaf_to = "INFO"
    asked = [bench.desk.ask("SendDtmf", dialogId=dialog, message=digit) for digit in "12"]
    bench.run(1)
    bench.network.reset(bench.desk.host)
    bench.run(0.001)
    assert bench.desk.result(asked[0])["error"]["code"] == "digits-refused"
    assert bench.desk.heard() == ["DTMF 0"]
    # The other one waits until the call is back.
    bench.pbx.deaf_to = None
    bench.run(3)
    assert bench.desk.result(asked[1])["status"] == "done"
    assert bench.desk.heard() == ["DTMF 1"]
