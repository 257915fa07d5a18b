// Every view of the desk from a state made by the desk's own reducer: for screenshots, axe and hostile texts.
// `await show(base, name, {language, theme})` draws one; `names` lists them.

const AT = Date.UTC(2026, 0, 15, 10, 30, 0);

function dialogOf(id, given = {}) {
  const { muted = false, participants, ...rest } = given;
  const state = rest.state ?? "ACTIVE";
  const at = new Date(AT - 95_000).toISOString();
  const own = { actions: { action: [] }, mediaAddress: "1000", mediaAddressType: "t", startTime: at, state, stateCause: null, stateChangeTime: at, mute: muted };
  return {
    id, fromAddress: "+498912345678", dialedNumber: "800", customerNumber: "+498912345678", dnis: "800", serviceIdentifier: "800",
    callType: "OTHER_IN", ani: "", queueName: null, queueType: null, participants: [own, ...(participants ?? [])],
    callVariables: { CallVariable: [] }, state, isCallEnded: 0, callEndReason: null, mediaType: "audio", ...rest,
  };
}

const member = (number, state = "ACTIVE", mute = false) => ({ mediaAddress: number, state, mute, startTime: "", actions: { action: [] } });
const event = (name, dialog) => ({ type: "message", now: AT, message: { event: name, response: { dialog } } });
const VARIABLES = { CallVariable: [
  { name: "callVariable0", value: "Maria Gonzalez" }, { name: "callVariable1", value: "Contract 4711-22, gold" },
  { name: "callVariable2", value: "Last call: yesterday, about the invoice of December" }, { name: "ticket", value: "INC-20931" },
] };

const LOGIN = [
  { type: "connection", state: "open" },
  { type: "message", now: AT, message: { event: "agentInfo", response: { state: "LOGIN", extension: "1000", loginId: "1000" } } },
  { type: "message", now: AT, message: { event: "xmppEvent", response: { type: "IN_SERVICE" } } },
  { type: "tick", now: AT },
];
const MICROPHONES = [{ id: "m1", label: "Headset (Jabra Evolve 65)" }, { id: "m2", label: "Built-in microphone" }];
const BROWSER = { type: "media", change: { kind: "browser", ready: true, video: true, screen: true, microphones: MICROPHONES, speakers: MICROPHONES, cameras: [{ id: "c", label: "Camera" }], microphone: "m1" } };
const STATS = { type: "stats", call: "a", audio: { codec: "opus", packetsReceived: 5000, packetsLost: 10, jitterMs: 4, roundTripMs: 32, mos: 4.3 } };

const ringing = event("newInboundCall", dialogOf("a", { state: "ALERTING", queueName: "support", callVariables: VARIABLES }));
const active = event("dialogState", dialogOf("a", { queueName: "support", callVariables: VARIABLES }));
const held = event("dialogState", dialogOf("a", { state: "HELD", queueName: "support" }));
const consult = (state) => event("ConsultCall", dialogOf("c", { state, callType: "CONSULT", fromAddress: "1000", dialedNumber: "1004", customerNumber: "1004" }));
const dropped = (id, reason, ended = 1) => event("dialogState", dialogOf(id, { state: "DROPPED", callEndReason: reason, isCallEnded: ended }));
const past = (id, more = {}) => [event("newInboundCall", dialogOf(id, { state: "ALERTING", ...more })), event("dialogState", dialogOf(id, more)), { type: "tick", now: AT + 9000 }];
const HISTORY = [
  ...past("h1", { queueName: "support" }), dropped("h1", null),
  event("newInboundCall", dialogOf("h2", { state: "ALERTING", fromAddress: "+4930555012" })), dropped("h2", "ORIGINATOR_CANCEL"),
  event("outboundDialing", dialogOf("h3", { state: "INITIATING", fromAddress: "1000", dialedNumber: "1007" })), dropped("h3", "USER_BUSY"),
  ...past("h4"), dropped("h4", "ATTENDED_TRANSFER", 0),
];
const LOUD = "\u202e<script>alert(1)</script><img src=x onerror=alert(2)>" + "\u200f" + "A".repeat(10_000);

export const SCENES = {
  login: [{ type: "connection", state: "open" }],
  "login-refused": [{ type: "connection", state: "open" }, { type: "login", change: { code: "credentials-refused", extension: "1000" } }],
  "login-expired": [{ type: "connection", state: "closed" }, { type: "login", change: { code: "token-expired", extension: "1000" } }],
  idle: LOGIN,
  "idle-browser": [...LOGIN, BROWSER, ...HISTORY.slice(0, 4), { type: "ui", change: { number: "08912345678" } }],
  "audio-denied": [...LOGIN, { type: "media", change: { kind: "browser", denied: true } }],
  "audio-elsewhere": [...LOGIN, BROWSER, { type: "media", change: { elsewhere: true } }, { type: "notice", notice: { level: "warning", key: "notice.audioLost" } }],
  "token-ending": [...LOGIN, active, { type: "message", now: AT, message: { event: "tokenExpiring", response: { seconds: 60 } } }, { type: "notice", notice: { level: "info", key: "notice.looked", values: { count: 1 } } }],
  "ringing-video": [...LOGIN, BROWSER, event("newInboundCall", dialogOf("a", { state: "ALERTING", mediaType: "video" }))],
  "ringing-screen": [...LOGIN, BROWSER, event("newInboundCall", dialogOf("a", { state: "ALERTING", mediaType: "screenshare", queueName: "support" }))],
  pictures: [...LOGIN, BROWSER, active, STATS, { type: "call", call: "a", change: { sends: { video: true, screenshare: false }, receives: { video: true, screenshare: false } } }],
  details: [...LOGIN, BROWSER, active, STATS, { type: "panel", call: "a", panel: { name: "details", values: { callVariable1: "Contract 4711-22, platinum" } } }],
  "idle-number": [...LOGIN, ...HISTORY, { type: "tick", now: AT + 60_000 }, { type: "ui", change: { number: "08912345678" } }],
  ringing: [...LOGIN, BROWSER, ringing],
  "ringing-two": [...LOGIN, active, event("newInboundCall", dialogOf("b", { state: "ALERTING", fromAddress: "+442071838750", queueName: "sales" }))],
  dialing: [...LOGIN, event("outboundDialing", dialogOf("a", { state: "INITIATED", fromAddress: "1000", dialedNumber: "08912345678" }))],
  active: [...LOGIN, BROWSER, active, STATS],
  muted: [...LOGIN, event("dialogState", dialogOf("a", { muted: true, remoteHold: true })), { ...STATS, audio: { ...STATS.audio, mos: 2.4, packetsLost: 900 } }, { type: "warning", call: "a", warning: "loss" }],
  keypad: [...LOGIN, active, { type: "panel", call: "a", panel: { name: "keypad" } }, { type: "call", call: "a", change: { digits: "4711#" } }],
  transfer: [...LOGIN, active, { type: "panel", call: "a", panel: { name: "transfer", number: "1004" } }],
  "transfer-queue": [...LOGIN, active, { type: "panel", call: "a", panel: { name: "transfer", toQueue: true, queue: "sales", number: "800" } }],
  consult: [...LOGIN, held, consult("ACTIVE")],
  "consult-ringing": [...LOGIN, held, consult("INITIATED")],
  consulted: [...LOGIN, event("ConsultCall", dialogOf("c", { state: "ALERTING", callType: "CONSULT", fromAddress: "1004", ani: "1004" }))],
  several: [...LOGIN, held, event("dialogState", dialogOf("d", { fromAddress: "+442071838750" })), event("newInboundCall", dialogOf("e", { state: "ALERTING", fromAddress: "+33144556677", queueName: "sales" }))],
  conference: [...LOGIN, event("dialogState", dialogOf("a", { callType: "CONFERENCE", participants: [member("+498912345678"), member("1004", "HELD"), member("1006", "ACTIVE", true)] }))],
  ended: [...LOGIN, active, dropped("a", null), event("outboundDialing", dialogOf("b", { state: "INITIATING", fromAddress: "1000", dialedNumber: "1007" })), dropped("b", "USER_BUSY")],
  listening: [...LOGIN, event("dialogState", dialogOf("s", { callType: "MONITORING", fromAddress: "1000", dialedNumber: "1004", muted: true }))],
  whispering: [...LOGIN, event("dialogState", dialogOf("s", { callType: "MONITORING", fromAddress: "1000", dialedNumber: "1004" })), { type: "call", call: "s", change: { listening: "whisper" } }],
  history: [...LOGIN, ...HISTORY, { type: "tick", now: AT + 60_000 }, { type: "ui", change: { tab: "history" } }],
  "history-empty": [...LOGIN, { type: "ui", change: { tab: "history" } }],
  supervise: [...LOGIN, { type: "ui", change: { tab: "supervise" } }, { type: "agents", agents: [{ extension: "1004", calls: [{ number: "+498912345678", state: "ACTIVE" }] }, { extension: "1006", calls: [{ number: "+442071838750", state: "HELD" }] }, { extension: "1007", calls: [] }], supervisor: true }],
  "supervise-unknown": [...LOGIN, { type: "ui", change: { tab: "supervise" } }],
  settings: [...LOGIN, BROWSER, { type: "ui", change: { tab: "audio" } }],
  "settings-denied": [...LOGIN, { type: "media", change: { denied: true } }, { type: "ui", change: { tab: "audio" } }],
  errors: [...LOGIN, active, { type: "notice", notice: { level: "error", code: "hold-refused", call: "a" } }, { type: "notice", notice: { level: "warning", key: "notice.audioLost" } }, { type: "media", change: { blocked: true } }],
  offline: [...LOGIN, active, { type: "connection", state: "resuming" }],
  "out-of-service": [...LOGIN, { type: "message", now: AT, message: { event: "xmppEvent", response: { type: "OUT_OF_SERVICE" } } }],
  help: [...LOGIN, { type: "ui", change: { help: true } }],
  hostile: [...LOGIN, event("newInboundCall", dialogOf("x\"><script>", { state: "ALERTING", fromAddress: LOUD, queueName: LOUD, callVariables: { CallVariable: [{ name: LOUD, value: LOUD }, { name: "callVariable1", value: "a\u0301".repeat(1) + "\u0301".repeat(500) }] } })),
    event("dialogState", dialogOf("y", { callType: "CONFERENCE", fromAddress: LOUD, participants: [member(LOUD), member("محمد")] }))],
};
export const names = Object.keys(SCENES);

/** Something that moves, in place of a camera. */
function picture(colour, size) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 360];
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 640, 360);
  pen.fillStyle = "#e9c46a";
  pen.arc(320, 180, 30 * size, 0, 7);
  pen.fill();
  return canvas.captureStream(5);
}

/** @param {string} base the address of the desk's folder */
export async function show(base, name, { language = "en", theme = "light" } = {}) {
  const [{ initial }, { reduce }, { Messages }, { page }, { patch }, en, own] = await Promise.all([
    import(`${base}model.mjs`), import(`${base}state.mjs`), import(`${base}text.mjs`), import(`${base}views/page.mjs`), import(`${base}vdom.mjs`),
    fetch(`${base}messages/en.json`).then((got) => got.json()), fetch(`${base}messages/${language}.json`).then((got) => got.json()),
  ]);
  const messages = new Messages(en, own);
  const state = SCENES[name].reduce(reduce, { ...initial({ theme }), now: AT });
  document.documentElement.lang = messages.language;
  document.documentElement.dir = messages.direction;
  document.documentElement.dataset.theme = theme;
  document.title = `${name} - Offhook`;
  let host = document.getElementById("gallery");
  if (!host) {
    for (const each of document.querySelectorAll("#desk, #polite, #urgent")) each.remove();
    host = document.createElement("div");
    host.id = "gallery";
    document.body.prepend(host);
  }
  host.replaceChildren();
  const tools = { password: () => "", languages: [{ id: "en", label: "English" }, { id: "ar", label: "العربية" }], meter: (element) => { element.value = -22; }, streams: () => (name === "pictures" ? { remote: picture("#264653", 5), local: picture("#2a9d8f", 3) } : null) };
  const sent = (globalThis.sent = []);
  patch(host, page({ state, messages, send: (input) => sent.push(input), act: (intent) => sent.push(intent), tools }));
  scrollTo(0, 0);
}
