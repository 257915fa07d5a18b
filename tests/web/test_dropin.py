"""`/offhook.js` in place of the reference library: a page written against its documentation alone; click to call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

PASSWORD = "1234"

# A page as somebody writes it who has read the reference's documentation (sipConfig, postMessages, the callback, the
# event samples) and nothing of ours; but for the script's address nothing in it is about Offhook.
REFERENCE_PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8"><title>Softphone</title>
<script>
  var sipConfig = {
    uri: "192.168.1.17", wss: "wss://192.168.1.17:7443", agentStaticPassword: "1234", enable_sip_log: false,
    autoCallAnswer: 3, monitoringDn: "*44", staticQueueTransferDn: "99887766", voicePostMessageSending: false
  };
</script>
<script src="SCRIPT" ATTRIBUTES></script>
</head>
<body>
  <video id="remoteVideo" autoplay playsinline></video>
  <video id="localVideo" autoplay playsinline muted></video>
  <input id="extension"><button id="login">Login</button><button id="logout">Logout</button>
  <input id="number"><button id="call">Call</button><button id="answer">Answer</button>
  <button id="hold">Hold</button><button id="retrieve">Retrieve</button>
  <button id="mute">Mute</button><button id="unmute">Unmute</button>
  <button id="dtmf">5</button><button id="release">Hang up</button>
  <a id="tel" href="tel:+49-30%20555;ext=2">+49 30 555</a>
  <p id="agent"></p><p id="state"></p><p id="error"></p>
<script>
  var seen = [];
  var current = null;
  function say(id, text) { document.getElementById(id).textContent = text; }
  function clientCallback(event) {
    seen.push(event);
    switch (event.event.toLowerCase()) {
      case "agentinfo": say("agent", event.response.state); break;
      case "xmppevent": break;
      case "newinboundcall": case "outbounddialing": case "campaigncall": case "consultcall":
      case "dialogstate":
        if (event.response.dialog == null) { say("state", "idle"); break; }
        current = event.response.dialog;
        var me = current.participants.filter(function (one) { return one.mediaAddress == event.response.loginId; })[0];
        say("state", current.state + (me.mute ? " muted" : ""));
        break;
      case "error": say("error", event.response.type + ": " + event.response.description); break;
    }
  }
  function command(action, parameter) {
    parameter.clientCallbackFunction = clientCallback;
    postMessages({ action: action, parameter: parameter });
  }
  function on(id, run) { document.getElementById(id).addEventListener("click", run); }
  on("login", function () {
    var extension = document.getElementById("extension").value;
    command("login", { loginId: "agent" + extension, password: "not the extension's", extension: extension });
  });
  on("logout", function () { command("logout", { reasonCode: "Logged Out", userId: "agent" }); });
  on("call", function () {
    var number = document.getElementById("number").value;
    command("makeCall", { calledNumber: number, Destination_Number: number, callType: "audio" });
  });
  on("answer", function () { command("answerCall", { dialogId: current.id, answerCalltype: "audio" }); });
  on("hold", function () { command("holdCall", { dialogId: current.id }); });
  on("retrieve", function () { command("retrieveCall", { dialogId: current.id }); });
  on("mute", function () { command("mute_call", { dialogId: current.id }); });
  on("unmute", function () { command("unmute_call", { dialogId: current.id }); });
  on("dtmf", function () { command("SendDtmf", { dialogId: current.id, message: "5" }); });
  on("release", function () { postMessages({ action: "releaseCall", parameter: { dialogId: current.id } }); });
</script>
</body>
</html>
"""


def reference_page(script: str = "/offhook.js", attributes: str = "") -> str:
    return REFERENCE_PAGE.replace("SCRIPT", script).replace("ATTRIBUTES", attributes)


class Phone:
    """A person before such a page, who sees what it says and presses its buttons."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))

    async def press(self, button: str) -> None:
        await self.page.click(f"#{button}")

    async def reads(self, place: str, text: str) -> None:
        from playwright.async_api import TimeoutError as TooLate  # here, for it may be missing

        try:
            await self.page.wait_for_function(
                "([id, text]) => document.getElementById(id).textContent === text", arg=[place, text], timeout=20_000
            )
        except TooLate:
            shown = await self.page.evaluate("document.body.innerText + JSON.stringify(seen.slice(-4))")
            raise AssertionError(f"{place} is not {text!r}: {shown} {self.said}") from None

    async def hears(self, hz: float) -> None:
        await self.page.wait_for_function(
            "(hz) => hears(document.getElementById('remoteVideo').srcObject, hz)", arg=hz, timeout=20_000, polling=50
        )

    async def login(self, extension: str) -> None:
        await self.page.fill("#extension", extension)
        await self.press("login")
        await self.reads("state", "idle")
        await self.reads("agent", "LOGIN")


@pytest.fixture
async def open_phone(ground: Any, start_browser: Any, serve: Any, listen: str) -> Any:
    async def open_phone(hz: float, html: str | None = None, origin: str | None = None) -> Phone:
        browser = await start_browser(hz)
        context = await browser.new_context(permissions=["microphone", "camera"])
        phone = Phone(await context.new_page())
        await phone.page.add_init_script(listen)
        await serve(phone.page, html or reference_page(), "/phone.html")
        await phone.page.goto(f"{origin or ground.origin}/phone.html")
        processing = "offhook.ready.then((dropIn) => dropIn.media.use({ processing: false }))"
        await phone.page.evaluate(processing)
        return phone

    return open_phone


async def test_a_page_for_the_reference_runs_unchanged(open_phone: Any) -> None:
    alice, bob = await asyncio.gather(open_phone(600.0), open_phone(1000.0))
    await asyncio.gather(alice.login("1000"), bob.login("1001"))
    await alice.page.fill("#number", "1001")
    await alice.press("call")
    await bob.reads("state", "ALERTING")
    await bob.press("answer")
    for phone in (alice, bob):
        await phone.reads("state", "ACTIVE")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    await alice.press("hold")
    await alice.reads("state", "HELD")
    await alice.press("retrieve")
    await alice.reads("state", "ACTIVE")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    await bob.press("mute")
    await bob.reads("state", "ACTIVE muted")
    await bob.press("unmute")
    await bob.reads("state", "ACTIVE")
    await bob.press("dtmf")
    await bob.page.wait_for_function("seen.some((event) => event.event === 'DTMF' && event.response.type === 1)")
    await bob.press("release")
    for phone in (alice, bob):
        await phone.reads("state", "DROPPED")
        await phone.press("logout")
        await phone.reads("agent", "LOGOUT")
        assert not [text for text in phone.said if "rror" in text]
        assert await phone.page.text_content("#error") == ""
    names = await alice.page.evaluate("seen.map((event) => [event.event, event.response.dialog?.state])")
    assert names == [
        ["xmppEvent", None],
        ["agentInfo", None],
        ["dialogState", None],
        ["outboundDialing", "INITIATING"],
        ["outboundDialing", "INITIATED"],
        ["dialogState", "ACTIVE"],
        ["dialogState", "HELD"],
        ["dialogState", "ACTIVE"],
        ["dialogState", "DROPPED"],
        ["agentInfo", None],
    ]


async def test_errors_come_to_the_callback(open_phone: Any) -> None:
    alice = await open_phone(600.0)
    await alice.page.evaluate(
        "postMessages({ action: 'holdCall', parameter: { dialogId: 'x', clientCallbackFunction: clientCallback } })"
    )
    await alice.reads("error", "invalidState: invalid action holdCall")
    await alice.login("1000")
    own = """postMessages({
        action: 'retrieveCall',
        parameter: { dialogId: 'x', clientCallbackFunction: (event) => { window.own = event; } },
    })"""
    await alice.page.evaluate(own)
    await alice.page.wait_for_function("window.own && own.response.description === 'invalid action unholdCall'")
    await alice.page.evaluate("postMessages({ action: 'releaseCall', parameter: { dialogId: 'x' } })")
    await alice.reads("error", "invalidState: invalid action releaseCall")
    await alice.page.evaluate(
        "postMessages({ action: 'makeCall', parameter: { clientCallbackFunction: (event) => { own = event; } } })"
    )
    await alice.page.wait_for_function("window.own.response.description.includes('calledNumber')")


@asynccontextmanager
async def served(html: str) -> AsyncIterator[str]:
    """Another origin, with this page."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/crm.html", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def crm(phone: str) -> str:
    """A customer database that has the phone in a frame, and calls numbers by it."""
    return f"""<!doctype html><title>CRM</title>
<iframe id="phone" src="{phone}" allow="microphone; autoplay"></iframe>
<script>
  var posted = [];
  window.addEventListener("message", function (event) {{ posted.push([event.origin, event.data]); }});
  function dial(number) {{
    document.getElementById("phone").contentWindow.postMessage(
      {{ callType: "audio", Destination_Number: number, calledNumber: number, SourceType: "CTI" }}, "*");
  }}
</script>"""


async def test_click_to_call_from_allowed_origins_alone(
    ground: Any, start_browser: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await start_browser(600.0)
    context = await browser.new_context(permissions=["microphone"])
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    phone = f"{ground.origin}/phone.html"
    async with served(crm(phone)) as friend, served(crm(phone)) as stranger:
        html = reference_page(attributes=f'data-allow-origin="{friend}" data-post-events')
        for origin, allowed in ((stranger, False), (friend, True)):
            await serve(page, html, "/phone.html")
            await page.goto(f"{origin}/crm.html")
            frame = next(frame for frame in page.frames if frame.url == phone)
            await frame.wait_for_function("document.readyState === 'complete' && offhook.ready")
            await frame.evaluate("offhook.ready.then(() => true)")
            await frame.fill("#extension", "1000")
            await frame.click("#login")
            await frame.wait_for_function("document.getElementById('state').textContent === 'idle'")
            refusals = """offhook.ready.then((dropIn) => {
                window.refusals = [];
                dropIn.addEventListener('refused', (event) => refusals.push(event.detail.origin));
            })"""
            await frame.evaluate(refusals)
            await page.evaluate("dial('9196')")
            if allowed:
                await frame.wait_for_function("document.getElementById('state').textContent === 'ACTIVE'")
                assert await frame.evaluate("refusals") == []
                states = await frame.evaluate("seen.map((event) => event.response.dialog?.state).filter(Boolean)")
                assert states == ["INITIATING", "INITIATED", "ACTIVE"]
                posted = await page.evaluate("posted")
                assert {where for where, _ in posted} == {ground.origin}
                assert "outboundDialing" in [json.loads(text)["event"] for _, text in posted]
            else:
                await frame.wait_for_function("refusals.length > 0")
                assert await frame.evaluate("refusals") == [stranger]
                assert any(f"click to call from {stranger} refused" in text for text in said)
                await frame.evaluate("offhook.ready.then(({connection}) => connection.command('getState'))")
                logged = [line for line in caplog.messages if "refused a click to call" in line]
                assert len(logged) == 1 and f"from {stranger} (1 times)" in logged[0]
                assert await frame.evaluate("seen.some((event) => event.event === 'outboundDialing')") is False
                assert await page.evaluate("posted") == []
                await frame.click("#logout")
                await frame.wait_for_function("document.getElementById('agent').textContent === 'LOGOUT'")


async def test_numbers_that_are_clicked_are_called(open_phone: Any) -> None:
    alice = await open_phone(600.0, reference_page(attributes="data-links"))
    await alice.login("1000")
    await alice.press("tel")
    await alice.page.wait_for_function("seen.some((event) => event.event === 'outboundDialing')")
    dialog = await alice.page.evaluate("seen.find((event) => event.event === 'outboundDialing').response.dialog")
    assert dialog["dialedNumber"] == "+4930555"


@pytest.mark.gateway(allow_origin=("http://desk.localhost",))
async def test_a_page_of_another_origin(open_phone: Any, ground: Any) -> None:
    """As most are: the desk's own server has the page, the gateway the script. It must name that origin."""
    html = reference_page(script=f"{ground.origin}/offhook.js")
    stranger = await open_phone(600.0, html, "http://stranger.localhost")
    await stranger.page.fill("#extension", "1000")
    await stranger.press("login")
    socket = f"{ground.origin.replace('http', 'ws')}/cti"
    await stranger.reads("error", f"subscriptionFailed: WebSocket closed {socket} (code: 1006)")
    alice = await open_phone(600.0, html, "http://desk.localhost")
    await alice.login("1000")
    await alice.page.fill("#number", "9196")
    await alice.press("call")
    await alice.reads("state", "ACTIVE")
    await alice.hears(600.0)
