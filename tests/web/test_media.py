"""The engine `browser` in real pages: what two agents hear of each other, at the right end, in each state of a call."""

from __future__ import annotations

import asyncio
from pathlib import Path
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
        await seat.until("agent.media.level(call) > -30")
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
    (_, told) = [each for each in await bob.page.evaluate("told") if each[0] == "audio"][-1]
    assert told["reason"] == "taken over" and told["holder"]["page"] == "test" and told["holder"]["since"] > 1e12
    await asyncio.gather(alice.hears(1000.0), tab.hears(600.0))
    assert await bob.run("return agent.media.streams(call)") is None
    await bob.run("await agent.hold(call)")  # it commands still
    await tab.state("HELD")


async def test_a_polite_tab_is_told_who_has_the_audio_and_takes_it_on_demand(call: Pair) -> None:
    alice, bob = call
    tab = type(bob)(bob.ground, await bob.page.context.new_page())
    await tab.open(POLITE.replace("PASSWORD", "1234"))
    await tab.page.wait_for_function("window.told?.length > 0")
    (told,) = await tab.page.evaluate("told")
    assert (told["held"], told["reason"], told["holder"]["page"]) == (False, "held elsewhere", "test")
    assert told["holder"]["since"] <= await tab.page.evaluate("Date.now()")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    await tab.page.evaluate("agent.media.take()")
    await bob.page.wait_for_function("!agent.media.held")
    (_, told) = [each for each in await bob.page.evaluate("told") if each[0] == "audio"][-1]
    assert (told["reason"], told["holder"]["page"]) == ("taken over", "polite tab")
    await asyncio.gather(alice.hears(1000.0), tab.hears(600.0))
    await bob.run("agent.media.take()")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))


POLITE = """<!doctype html><meta charset="utf-8"><title>polite tab</title><body>
<script type="module">
import * as offhook from "/offhook.mjs";

window.heard = [];
window.agent = new offhook.Agent({ polite: true });
const told = [];
agent.media.addEventListener("audio", ({ detail }) => told.push(detail));
await agent.media.use({ processing: false });
await agent.login("1001", "PASSWORD");
window.told = told;
</script>
"""


async def test_the_microphone_is_changed_during_a_call(call: Pair, tmp_path: Path, tone_file: Any) -> None:
    """Each of Chromium's microphones plays the file as it is when it is opened: the next one speaks at 1500 Hz."""
    alice, bob = call
    offers = await alice.run("return agent.media.peer(call).connection.localDescription.sdp")
    known = await alice.run("return (await agent.media.microphones()).map((each) => each.deviceId)")
    first, other = known[-2], known[-1]
    for microphone, hz in ((other, 1500.0), (first, 700.0)):
        tone_file(tmp_path / "600.wav", hz)
        await alice.run("await agent.media.use({ microphone: given[0] })", microphone)
        chosen = "agent.media.peer(call).connection.getSenders()[0].track.getSettings().deviceId"
        assert await alice.run(f"return {chosen}") == microphone
        await asyncio.gather(bob.hears(hz), alice.hears(1000.0))
    assert await alice.run("return agent.media.peer(call).connection.localDescription.sdp") == offers


async def test_a_microphone_that_is_changed_while_muted_stays_muted(call: Pair, tmp_path: Path, tone_file: Any) -> None:
    alice, bob = call
    await alice.run("await agent.mute(call)")
    tone_file(tmp_path / "600.wav", 1500.0)
    await alice.run("await agent.media.use({ microphone: (await agent.media.microphones()).at(-1).deviceId })")
    await bob.silence()
    await alice.run("await agent.mute(call, false)")
    await bob.hears(1500.0)


async def test_the_loudspeaker_is_changed_during_a_call(call: Pair) -> None:
    alice, bob = call
    await bob.page.evaluate(
        """() => {
            window.routed = [];
            const route = HTMLMediaElement.prototype.setSinkId;
            HTMLMediaElement.prototype.setSinkId = async function (id) {
              await route.call(this, id);
              routed.push([this.srcObject !== null && !this.paused, this.sinkId]);
            };
        }"""
    )
    speakers = await bob.run("return (await agent.media.speakers()).map((each) => each.deviceId)")
    await bob.run("await agent.media.use({ speaker: given[0] })", speakers[-1])
    assert await bob.page.evaluate("routed") == [[True, speakers[-1]]]
    await bob.hears(600.0)
    await bob.run("await agent.media.use({ speaker: 'gone' })")
    assert await bob.run("return told.some(([name, detail]) => name === 'device' && detail.what === 'speaker')")
    await bob.hears(600.0)


# An agent's page that does all by itself, and tells it by lines of the console: a test that evaluates anything in a
# page gives it a person's gesture by that.
UNTOUCHED = """<!doctype html><meta charset="utf-8"><title>untouched</title><body>
<script type="module">
import * as offhook from "/offhook.mjs";

window.agent = new offhook.Agent();
window.heard = [];
window.told = [];
const say = (what) => console.log(`told ${what}`);
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  window.element = this;
  this.onplaying = () => say(`playing ${this.paused} ${this.muted || this.volume === 0}`);
  return play.call(this);
};
for (const name of ["blocked", "unblocked"]) {
  agent.media.addEventListener(name, () => say(`${name} ${element.paused} ${element.muted || element.volume === 0}`));
}
agent.addEventListener("call", ({ detail }) => {
  say(detail.state);
  if (detail.state === "ALERTING") agent.answer(detail.id);
});
await agent.media.use({ processing: false });
await agent.login("1001", "PASSWORD");
say("in");
</script>
"""


@pytest.mark.parametrize("flags", [(), ("--autoplay-policy=user-gesture-required",)], ids=["plain", "strict"])
async def test_a_reload_without_leave_to_play(
    seat: Any, ground: Any, start_browser: Any, flags: tuple[str, ...]
) -> None:
    """No flag and no gesture. A page that has the microphone may play in Chromium as it comes; where its policy is
    stricter, as in other browsers, it is told that nothing is heard, and one click anywhere heals it."""
    from playwright.async_api import TimeoutError as TooLate  # here, for it may be missing

    alice = await seat("1000", 600.0)
    browser = await start_browser(1000.0, *flags)
    context = await browser.new_context(permissions=["microphone"])
    bob = type(alice)(ground, await context.new_page())

    async def says(what: str) -> None:
        if f"told {what}" not in bob.said:
            try:
                await bob.page.wait_for_event("console", lambda line: line.text == f"told {what}", timeout=20_000)
            except TooLate:
                raise AssertionError(f"not told: {what}: {bob.said}") from None

    await bob.open(UNTOUCHED.replace("PASSWORD", "1234"), "/untouched.html")
    await says("in")
    await alice.run("await agent.dial('1001')")
    for reload in (False, True):
        if reload:
            bob.said.clear()
            await bob.page.reload()
        await says("ACTIVE")
        await says("blocked true false" if flags else "playing false false")
        await alice.hears(1000.0)  # only what is to be heard is kept back
    assert "told playing false false" not in bob.said or not flags
    if flags:
        await bob.page.mouse.click(20, 20)
        await says("unblocked false false")
    assert bob.said.count("told blocked true false") == len(flags)
    await bob.hears(600.0)
    played = await bob.page.evaluate("element.currentTime")
    await bob.until("!element.paused && element.currentTime > given[0] + 0.5", played)


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
    assert "video" not in await alice.run("return (await agent.command('getStats', {dialogId: call})).result")
    for show, then in (("camera", "screen"), ("screen", "camera")):
        await alice.run("await agent.show(call, given[0])", show)
        assert await alice.run("return agent.media.streams(call).shown") == show
        await alice.until("(agent.media.stats(call) || {}).framesSent > 5")
        frames = await alice.run("return agent.media.stats(call).framesReceived")
        await alice.until("agent.media.stats(call).framesReceived > given[0] + 5", frames)
        video = await alice.run("return (await agent.command('getStats', {dialogId: call})).result.video")
        assert (video["codec"], video["direction"], video["connected"]) == ("VP8", "sendrecv", True)
        assert video["framesSent"] > 5 and video["framesReceived"] > 5 and video["packetsReceived"] > 5
        assert video["width"] > 0 and video["height"] > 0 and video["freezes"] >= 0 and video["frozenMs"] >= 0
        await alice.run("await agent.show(call, given[0])", then)
        assert await alice.run("return agent.media.streams(call).shown") == then
        await alice.run("await agent.show(call, given[0], false)", then)
        assert await alice.run("return agent.media.streams(call).shown") is None
    await alice.hears(600.0)
    told = await alice.run("return heard.filter((each) => each.event === 'mediaConversion').map((each) => each.status)")
    assert set(told) == {"success"}


async def test_a_video_call_is_answered_with_video_or_without(pair: Pair) -> None:
    alice, bob = pair
    for answer, shown in (("video", "camera"), ("onlyviewscreenshare", None), ("audio", None)):
        await alice.run("await agent.dial('1001', { type: 'video' })")
        await bob.state("ALERTING")
        await bob.run("await agent.answer(call, given[0])", answer)
        await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
        assert await bob.run("return agent.media.streams(call).shown") == shown
        if answer != "audio":
            await bob.until("agent.media.stats(call)?.framesReceived > 5")
        if shown:
            await alice.until("agent.media.stats(call)?.framesReceived > 5")
        await alice.run("await agent.release(call)")
        for seat in pair:
            await seat.until("agent.calls.size === 0")
