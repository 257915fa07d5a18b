"""The engine `browser` in real pages: what two agents hear of each other, at the right end, in each state of a call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

Pair = tuple[Any, Any]


async def test_two_pages_hear_each_other(call: Pair) -> None:
    alice, bob = call
    for seat in call:
        await seat.until("(agent.media.stats(call) || {}).mos > 4")
        figures = await seat.run("return agent.media.stats(call)")
        assert figures["codec"] == "opus" and figures["packetsReceived"] > 0 and figures["levelOutDb"] > -30
        result = await seat.run("return (await agent.command('getStats', {dialogId: call})).result.audio")
        assert result["codec"] == "opus" and result["mos"] > 4
    await alice.run("await agent.release(call)")
    for seat in call:
        await seat.until("agent.calls.size === 0")
    assert await alice.page.evaluate("agent.media.streams('any')") is None
    assert not [said for said in (*alice.said, *bob.said) if "rror" in said]


async def test_hold_and_retrieve(call: Pair) -> None:
    alice, bob = call
    await alice.run("await agent.hold(call)")
    await alice.state("HELD")
    await bob.until("!hears(remote, 600)")
    await alice.run("await agent.retrieve(call)")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    await bob.run("await agent.hold(call)")
    await alice.until("!hears(remote, 1000)")
    await bob.run("await agent.retrieve(call)")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))


async def test_mute(call: Pair) -> None:
    alice, bob = call
    await alice.run("await agent.mute(call)")
    await bob.silence()
    await alice.hears(1000.0)
    await alice.run("await agent.hold(call); await agent.retrieve(call)")
    await alice.hears(1000.0)
    await bob.silence()
    await alice.run("await agent.mute(call, false)")
    await bob.hears(600.0)


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param("info", marks=pytest.mark.gateway(dtmf="info")),
        pytest.param("rtp", marks=pytest.mark.gateway(dtmf="rtp")),
    ],
)
async def test_digits(seat: Any, ground: Any, ways: str) -> None:
    alice = await seat("1000", 600.0)
    await alice.run("await agent.dial('5000')")  # the directory of both servers: digits, ended by #; 2 leads to 9664
    await alice.state("ACTIVE")
    await alice.until("(agent.media.stats(call) || {}).packetsReceived > 10")
    await alice.run("await agent.sendDigits(call, '42#')")
    if ground.switch is not None:
        async with asyncio.timeout(10):
            while not ground.switch.ivr_digits:
                await alice.page.evaluate("new Promise((next) => requestAnimationFrame(next))")
        assert ground.switch.ivr_digits[0].digits.rstrip("#") == "42"
    assert await alice.run(
        "return heard.filter((each) => each.event === 'DTMF').map((each) => each.response.type)"
    ) == [1]


async def test_a_page_that_is_reloaded_goes_on(call: Pair) -> None:
    alice, bob = call
    await bob.page.reload()
    await bob.login("1001")
    await bob.state("ACTIVE")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    await bob.run("await agent.release(call)")
    await alice.until("agent.calls.size === 0")


async def test_a_page_that_is_away_leaves_the_call_on_hold(call: Pair) -> None:
    """The gateway holds the call without a page; who comes back is connected again."""
    alice, bob = call
    agent = bob.ground.gateway.station.hub._agents["1001"]
    await bob.page.goto("about:blank")
    async with asyncio.timeout(15):
        while [dialog.state for dialog in agent.session.dialogs] != ["HELD"]:
            await alice.page.evaluate("new Promise((next) => requestAnimationFrame(next))")
    await alice.until("!hears(remote, 1000)")
    await bob.open()
    await bob.login("1001")
    await bob.state("ACTIVE")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))


async def test_a_socket_that_is_lost_is_not_heard(call: Pair) -> None:
    """The page keeps its peer connection, says so, and the audio has not stopped."""
    alice, bob = call
    await bob.until("agent.media.stats(call)")
    before = await bob.run("window.kept = agent.media.peer(call); return agent.media.stats(call).packetsReceived")
    await bob.page.evaluate(
        """() => {
            window.states = [];
            agent.connection.addEventListener('state', (event) => states.push(event.detail));
        }"""
    )
    for connection in list(bob.ground.gateway.station._subscribers.values()):
        connection.close(1012, "a test")
    await bob.until("states.includes('resuming') && states.at(-1) === 'open' && agent.media.held")
    await bob.until("agent.media.peer(call) === kept && agent.media.stats(call).packetsReceived > given[0]", before)
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    await bob.run("await agent.hold(call); await agent.retrieve(call)")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))


async def test_another_tab_takes_the_audio_over(call: Pair) -> None:
    alice, bob = call
    tab = type(bob)(bob.ground, await bob.page.context.new_page())
    await tab.open()
    await tab.login("1001")
    await bob.page.wait_for_function("!agent.media.held")
    assert ["audio", {"held": False, "reason": "taken over"}] in await bob.page.evaluate("told")
    await asyncio.gather(alice.hears(1000.0), tab.hears(600.0))
    assert await bob.run("return agent.media.streams(call)") is None
    await bob.run("await agent.hold(call)")  # it commands still
    await tab.state("HELD")


async def test_the_microphone_is_changed_during_a_call(call: Pair) -> None:
    alice, bob = call
    offers = await alice.run("return agent.media.peer(call).connection.localDescription.sdp")
    other = await alice.run("return (await agent.media.microphones()).map((each) => each.deviceId)")
    await alice.run("await agent.media.use({ microphone: given[0] })", other[-1])
    chosen = "agent.media.peer(call).connection.getSenders()[0].track.getSettings().deviceId"
    assert await alice.run(f"return {chosen}") == other[-1]
    await alice.until("agent.media.stats(call)?.levelOutDb > -40")
    await bob.until("!silent(remote)")
    assert await alice.run("return agent.media.peer(call).connection.localDescription.sdp") == offers


async def test_silence_is_warned_of(call: Pair) -> None:
    """A microphone that gives nothing at all is a cable that is out, or a switch on the headset."""
    alice, _ = call
    await alice.run("agent.media.peer(call).connection.getSenders()[0].track.enabled = false")
    await alice.until("told.some(([name, detail]) => name === 'warning' && detail.code === 'silence-out' && detail.on)")
    await alice.run("agent.media.peer(call).connection.getSenders()[0].track.enabled = true")
    await alice.until(
        "told.some(([name, detail]) => name === 'warning' && detail.code === 'silence-out' && !detail.on)"
    )


async def test_a_microphone_that_is_denied_is_an_event_that_is_understood(seat: Any, ground: Any) -> None:
    alice, bob = await asyncio.gather(seat("1000", 600.0, "--deny-permission-prompts"), seat("1001", 1000.0))
    await alice.page.evaluate(
        """() => {
            const denied = new DOMException('no', 'NotAllowedError');
            navigator.mediaDevices.getUserMedia = () => Promise.reject(denied);
        }"""
    )
    await alice.run("agent.media.use({ microphone: '' }).catch(() => undefined)")
    text = "Access to audio is denied. Please enable it in your browser settings."
    said = await alice.run(
        "return agent.dial('1001').catch((problem) => [problem.name, problem.code, problem.message])"
    )
    assert said == ["DeviceFailed", "device", text]
    parameter = "{calledNumber: '1001', Destination_Number: '1001', callType: 'audio'}"
    said = await alice.run(
        f"return agent.command('makeCall', {parameter}).catch((problem) => [problem.code, problem.detail])"
    )
    assert said == ["media-device", text], "who does not ask first is told by the gateway"
    await bob.run("await agent.dial('1000')")
    await alice.state("ALERTING")
    said = await alice.run("return agent.command('answerCall', {dialogId: call}).catch((problem) => problem.code)")
    assert said == "media-device"
    assert await alice.run("return told.some(([name, detail]) => name === 'device' && detail.what === 'audio')")


async def test_camera_and_screen(seat: Any) -> None:
    """At the echo: what is shown comes back."""
    alice = await seat("1000", 600.0)
    await alice.run("await agent.dial('9196')")
    await alice.state("ACTIVE")
    await alice.hears(600.0)
    assert await alice.run("return agent.media.streams(call).shown") is None
    for show, then in (("camera", "screen"), ("screen", "camera")):
        await alice.run("await agent.show(call, given[0])", show)
        assert await alice.run("return agent.media.streams(call).shown") == show
        await alice.until("(agent.media.stats(call) || {}).framesSent > 5")
        frames = await alice.run("return agent.media.stats(call).framesReceived")
        await alice.until("agent.media.stats(call).framesReceived > given[0] + 5", frames)
        await alice.run("await agent.show(call, given[0])", then)
        assert await alice.run("return agent.media.streams(call).shown") == then
        await alice.run("await agent.show(call, given[0], false)", then)
        assert await alice.run("return agent.media.streams(call).shown") is None
    await alice.hears(600.0)
    told = await alice.run("return heard.filter((each) => each.event === 'mediaConversion').map((each) => each.status)")
    assert set(told) == {"success"}


async def test_a_video_call_is_answered_with_video_or_without(pair: Pair) -> None:
    alice, bob = pair
    if alice.ground.server == "switch":
        pytest.skip("the development switch offers no video to who is called")
    for answer, shown in (("video", "camera"), ("onlyviewscreenshare", None), ("audio", None)):
        await alice.run("await agent.dial('1001', { type: 'video' })")
        await bob.state("ALERTING")
        await bob.run("await agent.answer(call, given[0])", answer)
        await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
        assert await bob.run("return agent.media.streams(call).shown") == shown
        if answer != "audio":
            await bob.until("agent.media.stats(call).framesReceived > 5")
        if shown:
            await alice.until("agent.media.stats(call).framesReceived > 5")
        await alice.run("await agent.release(call)")
        for seat in pair:
            await seat.until("agent.calls.size === 0")
