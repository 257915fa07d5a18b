"""What is asked of the engine, and what of it is still wanted."""

from __future__ import annotations

from typing import Any

from offhook.cti.workplace import Purpose
from offhook.media.engine import ApplyAnswer, CreateOffer, Direction


def test_names_are_never_used_twice(bench: Any) -> None:
    for _ in range(3):
        bench.talk()
    offers = [request for request in bench.desk.requests if isinstance(request, CreateOffer)]
    assert len({request.media for request in offers}) == len({request.id for request in offers}) == 3
    assert all(request.media.startswith("1000.") for request in offers)


def test_an_outcome_is_taken_once(bench: Any) -> None:
    bench.talk()
    work = bench.desk.session._work
    assert work.asked == {}
    call = work.up()[0]
    work.make_offer(call, Purpose.RENEGOTIATE, Direction.SENDRECV, bench.network.now())
    (request_id,) = work.asked
    assert work.take(request_id).purpose is Purpose.RENEGOTIATE
    assert work.take(request_id) is None


def test_forget_is_for_one_call_and_purpose(bench: Any) -> None:
    bench.talk()
    bench.talk()
    work, now = bench.desk.session._work, bench.network.now()
    one, two = work.up()
    work.make_offer(one, Purpose.RENEGOTIATE, Direction.SENDRECV, now)
    work.make_offer(one, Purpose.REMOTE, Direction.SENDRECV, now)
    work.make_offer(two, Purpose.RENEGOTIATE, Direction.SENDRECV, now)
    assert work.forget(one, Purpose.RENEGOTIATE) == []
    assert [(asked.call, asked.purpose) for asked in work.asked.values()] == [
        (one, Purpose.REMOTE),
        (two, Purpose.RENEGOTIATE),
    ]
    work.forget(one)
    assert len(work.asked) == 1


def test_forgotten_statistics_give_back_their_command(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("getStats", dialogId=dialog)
    bench.run()
    work = bench.desk.session._work
    (ticket,) = work.forget(work.calls[dialog])
    assert ticket.command.id == asked


def test_an_answer_before_and_after_the_call_is_up(bench: Any) -> None:
    """The first one that fails ends the call, a later one does not: so they are told apart."""
    bench.dial()
    work, now = bench.desk.session._work, bench.network.now()
    (call,) = work.calls.values()
    work.apply_answer(call, "v=0", now)
    bench.pbx.take(bench.pbx.invites[-1])
    bench.desk.deaf_engine = True
    bench.run()
    work.apply_answer(call, "v=0", now)
    purposes = [asked.purpose for asked in work.asked.values()]
    assert purposes[0] is Purpose.APPLY and purposes[-1] is Purpose.REAPPLY
    assert isinstance(bench.desk.requests[-1], ApplyAnswer)


def test_another_id(bench: Any) -> None:
    """The calls stay in their order, and whoever waits for this one's hold still finds it."""
    ids = [bench.talk(number)[0] for number in ("111", "222", "333")]
    work = bench.desk.session._work
    one, two, three = work.up()
    three.holds = {two.id, one.id}
    work.rename(two, "other")
    assert list(work.calls) == [ids[0], "other", ids[2]]
    assert work.calls["other"] is two
    assert three.holds == {ids[0], "other"}


def test_consults(bench: Any) -> None:
    customer, _, consult, _ = bench.pair()
    work = bench.desk.session._work
    about, own = work.calls[customer], work.calls[consult]
    assert work.consults() == [own]
    assert (work.consult_about(about), work.consult_about(own)) == (own, None)
