from __future__ import annotations

from typing import Any

from offhook.media.engine import Direction, Mix, Tone
from offhook.sip.events import Established

MUSIC = Tone(523.0, 659.0)


def join(bench: Any, *users: str, number: str = "3000") -> list[tuple[Any, str]]:
    phones = [bench.phone(user) for user in users]
    return [(phone, phone.call(number)) for phone in phones]


def hears(bench: Any, user: str) -> set[str]:
    """Whom that user hears, of the users."""
    source = bench.heard_by(bench.channel(user).uuid)[-1]
    names = {each.uuid: each.user for each in bench.node.channels()}
    return {names[media] for media in source.peers} if isinstance(source, Mix) else set()


def test_everybody_hears_all_others(bench: Any) -> None:
    (alice, hers), (bob, _), _ = join(bench, "1000", "1001", "1002")
    assert alice.have(Established) and bench.channel("1000").conference == "3000"
    assert hears(bench, "1000") == {"1001", "1002"}
    assert hears(bench, "1001") == {"1000", "1002"}
    assert hears(bench, "1002") == {"1000", "1001"}
    alice.hang_up(hers)
    assert hears(bench, "1001") == {"1002"} and hears(bench, "1002") == {"1001"}
    assert not bob.words


def test_who_is_alone_hears_music(bench: Any) -> None:
    _, (bob, his) = join(bench, "1000", "1001")
    a = bench.channel("1000").uuid
    assert bench.heard_by(a)[0] != MUSIC or hears(bench, "1000") == {"1001"}
    bob.hang_up(his)
    assert bench.heard_by(a)[-1] == MUSIC


def test_rooms_are_apart(bench: Any) -> None:
    join(bench, "1000", "1001")
    join(bench, "1002", "1003", number="3001")
    assert hears(bench, "1000") == {"1001"} and hears(bench, "1002") == {"1003"}


def test_an_empty_room_is_forgotten(bench: Any) -> None:
    ((alice, hers),) = join(bench, "1000")
    alice.hang_up(hers)
    assert not bench.node.channels() and not bench.node._exchange.rooms._rooms


def test_who_holds_is_heard_by_nobody(bench: Any) -> None:
    (alice, hers), _, _ = join(bench, "1000", "1001", "1002")
    alice.reoffer(hers, Direction.SENDONLY)
    assert hears(bench, "1001") == {"1002"}
    bench.run(1.0)
    alice.reoffer(hers, Direction.SENDRECV)
    bench.run(1.0)
    assert hears(bench, "1001") == {"1000", "1002"}


def test_keys(bench: Any) -> None:
    (alice, hers), (bob, his) = join(bench, "1000", "1001")
    alice.press(hers, "0")
    assert hears(bench, "1001") == set() and hears(bench, "1000") == {"1001"}
    alice.press(hers, "0")
    assert hears(bench, "1001") == {"1000"}
    bob.press(his, "#")
    assert bob.end.reasons[0].text == "NORMAL_CLEARING"
    assert len(bench.node.channels()) == 1
