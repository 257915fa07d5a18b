from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from offhook.media import link as link_module
from offhook.media.link import Link
from offhook.media.negotiation import RemoteEnd
from offhook.media.sdp import Fingerprint
from offhook.media.webrtc import SecureTransport
from offhook.testing.record import Record


class Rig:
    """A link on 127.0.0.1 with what it told."""

    def __init__(self) -> None:
        self.up: Record[SecureTransport] = Record()
        self.down: Record[str] = Record()
        self.lost: Record[str] = Record()
        """What transports said when they were lost, before the link made something of it."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.made_anew: list[bool] = []
        self.link = Link(self._make, up=self.up.append, down=self.down.append, spawn=self._spawn)

    def _make(self, controlling: bool, anew: bool, lost: Callable[[str], None]) -> SecureTransport:
        self.made_anew.append(anew)

        def tell(reason: str) -> None:
            lost(reason)
            self.lost.append(reason)

        return SecureTransport(controlling=controlling, deliver=lambda data, at: None, lost=tell, address="127.0.0.1")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def close(self) -> None:
        await self.link.close()
        while self.tasks:
            await asyncio.wait(self.tasks)


@pytest.fixture
async def rigs() -> AsyncIterator[tuple[Rig, Rig]]:
    before = asyncio.all_tasks()
    one, two = Rig(), Rig()
    yield one, two
    await one.close()
    await two.close()
    assert asyncio.all_tasks() - before == {asyncio.current_task()} - before


def _end(transport: SecureTransport) -> RemoteEnd:
    return RemoteEnd(
        transport.ufrag,
        transport.password,
        (Fingerprint("sha-256", transport.fingerprint),),
        candidates=transport.candidates,
    )


async def _connect(one: Rig, two: Rig) -> None:
    offered = await one.link.for_offer()
    answered = await two.link.for_answer(_end(offered))
    count = (len(one.up), len(two.up))
    await two.link.connect(_end(offered), "client")
    await one.link.connect(_end(answered), "server")
    await one.up.reach(count[0] + 1)
    await two.up.reach(count[1] + 1)


async def test_a_transport_is_kept_for_the_same_far_side(rigs: tuple[Rig, Rig]) -> None:
    one, two = rigs
    assert await one.link.for_offer() is await one.link.for_offer()
    await _connect(one, two)
    live = two.link.live
    assert live is not None and one.link.live is not None
    far = _end(one.link.live)
    assert await two.link.for_answer(far) is live and await two.link.for_offer() is live
    await two.link.connect(far, "client")  # nothing
    assert two.up == [live] and live.connected


async def test_a_new_far_side_gets_a_new_transport_and_the_old_one_lasts_until_it_is_up(rigs: tuple[Rig, Rig]) -> None:
    one, two = rigs
    await _connect(one, two)
    before = one.link.live
    assert before is not None and before is one.link.made
    three = Rig()
    offered = await three.link.for_offer()
    made = await one.link.for_answer(_end(offered))
    assert made is not before and one.link.live is before and before.connected
    assert made.fingerprint != before.fingerprint  # or FreeSWITCH would not begin DTLS anew
    await one.link.connect(_end(offered), "server")
    await three.link.connect(_end(made), "client")
    await one.up.reach(2)
    await three.up.reach(1)
    assert one.link.live is made and before.closed
    await three.close()


async def test_an_ice_restart_of_the_same_far_side_gets_another_certificate(rigs: tuple[Rig, Rig]) -> None:
    """Whoever shows the same certificate on all transports would else be taken to go on with the DTLS there is."""
    one, two = rigs
    await _connect(one, two)
    assert one.link.live is not None
    far = replace(_end(one.link.live), ufrag="another", password="another-password-of-22-characters")
    made = await two.link.for_answer(far)
    assert made is not two.link.live and two.made_anew == [False, True]
    other = Rig()
    await two.link.for_answer(_end(await other.link.for_offer()))
    assert two.made_anew == [False, True, False], "another far side begins by itself"
    await other.close()


async def test_rollback_takes_back_a_transport_that_was_only_offered(rigs: tuple[Rig, Rig]) -> None:
    one, two = rigs
    one.link.rollback()
    await _connect(one, two)
    live = one.link.live
    three = Rig()
    made = await one.link.for_answer(_end(await three.link.for_offer()))
    assert one.link.made is made
    one.link.rollback()
    assert one.link.made is live
    await three.close()


async def test_a_loss_is_told_after_a_moment_and_then_an_offer_brings_a_new_transport(
    rigs: tuple[Rig, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = rigs
    monkeypatch.setattr(link_module, "_GOODBYE_SECONDS", 0.05)
    await _connect(one, two)
    before = one.link.live
    await two.close()
    await one.down.reach(1)
    assert one.down == ["the far side ended DTLS"]
    assert await one.link.for_offer() is not before


async def test_a_bye_in_that_moment_makes_it_no_loss(rigs: tuple[Rig, Rig]) -> None:
    one, two = rigs
    await _connect(one, two)
    live = one.link.live
    assert live is not None
    await two.close()
    await one.lost.reach(1)
    assert not live.connected
    await one.close()
    await asyncio.sleep(0)  # what is due now would be told in this turn
    assert one.down == []


async def test_a_path_that_does_not_come_about_is_told(rigs: tuple[Rig, Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = rigs
    monkeypatch.setattr("offhook.media.webrtc.CONNECT_SECONDS", 0.1)
    made = await one.link.for_offer()
    there = await two.link.for_answer(_end(made))
    await one.link.connect(_end(there), "server")
    await one.down.reach(1)
    assert one.up == [] and one.link.live is None


async def test_connecting_is_given_up_for_another_answer(rigs: tuple[Rig, Rig]) -> None:
    one, two = rigs
    offered = await one.link.for_offer()
    nobody = await Rig().link.for_answer(_end(offered))
    await one.link.connect(_end(nobody), "server")
    answered = await two.link.for_answer(_end(offered))
    await two.link.connect(_end(offered), "client")
    await one.link.connect(_end(answered), "server")
    await one.up.reach(1)
    await two.up.reach(1)
    await nobody.close()
