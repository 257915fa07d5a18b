// What the pure parts of the desk do: state, intents, texts, keys. Run in a page by test_pure.py, a test each; or by hand:
// node -e 'import("./tests/web/desk/cases.mjs").then((all) => all.run("../../../src/offhook/web/desk/"))'

const NOW = 1_800_000_000_000;

function equal(found, wanted) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

const load = async (base) => {
  const names = ["model", "dialogs", "quality", "state", "intents", "frame", "text", "keys", "views/bar", "../connection", "../dropin", "../offhook"];
  return Object.assign({}, ...(await Promise.all(names.map((name) => import(`${base}${name}.mjs`)))));
};

function dialogOf(id, state = "ACTIVE", more = {}) {
  return {
    id, fromAddress: "5551", dialedNumber: "800", customerNumber: "5551", ani: "5551", callType: "OTHER_IN", queueName: null, state, isCallEnded: 0,
    callEndReason: null, callVariables: { CallVariable: [] }, mediaType: "audio",
    participants: [{ mediaAddress: "1000", state, mute: false, startTime: new Date(NOW).toISOString(), actions: { action: [] } }], ...more,
  };
}
const heard = (event, dialog, now = NOW) => ({ type: "message", now, message: { event, response: { dialog } } });
const LOGIN = { type: "message", now: NOW, message: { event: "agentInfo", response: { state: "LOGIN", extension: "1000", loginId: "1000" } } };
const play = ({ initial, reduce }, ...inputs) => [{ type: "connection", state: "open" }, LOGIN, ...inputs].reduce(reduce, initial());
const error = (response) => ({ type: "message", now: NOW, message: { event: "Error", response: { type: "generalError", dialogId: null, ...response } } });
const shape = (state) => state.calls.map((call) => `${call.kind} ${call.way} ${call.phase} ${call.number}`);
const saidKeys = (state) => state.said.map((each) => each.key);
const HELD = heard("dialogState", dialogOf("a", "HELD"));
const CONSULT = (state) => heard("ConsultCall", dialogOf("c", state, { callType: "CONSULT", fromAddress: "1000", dialedNumber: "1002", customerNumber: "1002" }));

/** What a page's sockets are while a case runs; its timers go off when the case says so. */
class Socket {
  static made = [];
  static timers = [];
  static users = [];
  readyState = 0;
  sent = [];
  constructor() {
    Socket.made.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
  up() {
    this.readyState = 1;
    this.onopen();
    return this;
  }
  hear(...messages) {
    for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
  }
  /** The outcome of the command sent last. */
  async answer(error = null, result = {}) {
    const { id, action } = this.sent.at(-1);
    this.hear({ event: "commandResult", id, action, status: error ? "failed" : "done", error: error && { type: "invalidAction", code: error, description: error }, dialogId: null, result });
    await settle();
  }
  async lose(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
    await settle();
  }
}
const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await null;
};
/** The newest socket, after a lost one was tried again. */
const again = async () => {
  globalThis.dispatchEvent(new Event("online"));
  const socket = Socket.made.at(-1).up();
  await settle();
  return socket;
};
async function wired(play) {
  const { WebSocket, setTimeout } = globalThis;
  Object.assign(Socket, { made: [], timers: [], users: [] });
  globalThis.WebSocket = Socket;
  globalThis.setTimeout = (run, wait) => Socket.timers.push({ run, wait });
  try {
    await play();
  } finally {
    for (const connection of Socket.users) connection.close();
    Object.assign(globalThis, { WebSocket, setTimeout });
  }
}
/** A connection that is logged in, and what it has told. */
async function connected({ Connection }, options = {}) {
  const connection = new Connection("ws://gateway/cti", options);
  Socket.users.push(connection);
  const told = [];
  connection.addEventListener("message", ({ detail }) => told.push(detail));
  const opened = connection.open();
  Socket.made[0].up();
  await opened;
  const done = connection.login("1000", "1234");
  await Socket.made[0].answer(null, { stream: "s", seq: 0 });
  await done;
  Socket.made[0].hear({ event: "agentInfo", seq: 1, stream: "s", response: { state: "LOGIN", extension: "1000" } });
  return { connection, told, socket: Socket.made[0] };
}

export const cases = {
  "a log-in after a refused resumption ends with what is there": async (desk) => wired(async () => {
    const { told, socket } = await connected(desk);
    told.length = 0;
    await socket.lose();
    const second = await again();
    equal(second.sent.map((each) => each.action), ["resume"]);
    second.hear({ event: "Error", response: { type: "invalidAction", code: "not-logged-in", dialogId: null } });
    await second.answer("not-logged-in");
    equal(second.sent.map((each) => each.action), ["resume", "login"]);
    second.hear({ event: "xmppEvent", response: { type: "IN_SERVICE" } }, { event: "agentInfo", response: { state: "LOGIN", extension: "1000" } },
      { event: "dialogState", response: { dialog: dialogOf("b", "ACTIVE") } }, { event: "dialogState", response: { dialog: dialogOf("c", "DROPPED") } }, { event: "dialogState", response: { dialog: null } });
    await second.answer(null, { stream: "t", seq: 4 });
    equal(told.map((each) => each.event), ["xmppEvent", "agentInfo", "dialogState", "dialogState", "dialogState", "snapshot"]);
    const { stream, seq, registration, dialogs } = told.at(-1).response;
    equal([stream, seq, registration, dialogs.map((each) => each.id)], ["t", 4, "IN_SERVICE", ["b"]]);
    const shown = [heard("dialogState", dialogOf("a")), ...told.map((message) => ({ type: "message", now: NOW, message }))].reduce(desk.reduce, play(desk));
    equal(shape(shown), ["call in ended 5551", "call in active 5551"]);
    equal(shown.notices, []);
  }),
  "a token that was refused, or is over, is not shown again": async (desk) => wired(async () => {
    const { connection, socket } = await connected(desk, { token: "first" });
    const sent = async (error) => {
      const outcome = connection.login("1000", "1234").catch((problem) => problem.code);
      const { parameter } = socket.sent.at(-1);
      await socket.answer(error, { stream: "s", seq: 0 });
      return [parameter.token ?? null, error && (await outcome)];
    };
    equal(await sent("credentials-refused"), ["first", "credentials-refused"]);
    equal(await sent("token-refused"), ["first", "token-refused"]);
    equal(await sent(null), [null, null]);
    const renewal = async (error) => {
      const outcome = connection.renew("junk").catch(() => undefined);
      await socket.answer(error);
      await outcome;
      return connection.token ?? null;
    };
    equal(await renewal("proof-refused"), null);
    equal(await renewal(null), "junk");
    socket.hear({ event: "Error", response: { type: "networkIssue", code: "token-expired", dialogId: null } });
    equal(await sent(null), [null, null]);
  }),
  "who was logged out by the gateway is not logged in again by itself": async (desk) => wired(async () => {
    const { connection, socket } = await connected(desk);
    socket.hear({ event: "agentInfo", response: { state: "LOGOUT", extension: "1000" } });
    equal(connection.extension, null);
    await socket.lose(1001);
    const second = await again();
    equal([second.sent, connection.state], [[], "open"]);
  }),
  "a command that was given without a connection is sent soon or never": async (desk) => wired(async () => {
    const { connection, socket } = await connected(desk);
    await socket.lose();
    const early = connection.command("releaseCall", { dialogId: "a" }).catch((problem) => problem.code);
    const waits = Socket.timers.at(-1);
    equal(waits.wait <= 5000, true);
    waits.run();
    equal(await early, "not-connected");
    connection.command("holdCall", { dialogId: "a" }).catch(() => undefined);
    const second = await again();
    await second.answer();
    equal(second.sent.map((each) => each.action), ["resume", "holdCall"]);
    equal(Socket.timers.at(-1).wait > 60_000, true);
  }),
  "a page on the drop-in is told which calls have ended while it was away": ({ DropIn }) => {
    const dropIn = new DropIn({ gateway: "ws://gateway/cti", origins: [] });
    dropIn.connection.open = () => Promise.reject(new Error("not here")); // what it is told comes from this case
    const told = [];
    dropIn.post({ action: "login", parameter: { extension: "1000", clientCallbackFunction: (event) => told.push(event) } });
    const tell = (detail) => dropIn.connection.dispatchEvent(new CustomEvent("message", { detail }));
    const goesOn = dialogOf("b");
    for (const dialog of [dialogOf("a"), goesOn]) tell({ event: "dialogState", response: { loginId: "1000", dialog } });
    tell({ event: "snapshot", response: { loginId: "1000", stream: "t", seq: 1, registration: "IN_SERVICE", dialogs: [goesOn] } });
    equal(told.map(({ response: { dialog } }) => `${dialog.id} ${dialog.state}`), ["a ACTIVE", "b ACTIVE", "a DROPPED"]);
    equal(told.at(-1).response.dialog.participants[0].state, "DROPPED");
  },
  "an agent is told which calls have ended while the page was away": ({ Agent }) => {
    const agent = new Agent({ url: "ws://gateway/cti" });
    const told = [];
    agent.addEventListener("call", ({ detail }) => told.push(`${detail.id} ${detail.state}`));
    const tell = (detail) => agent.connection.dispatchEvent(new CustomEvent("message", { detail }));
    tell({ event: "dialogState", response: { loginId: "1000", dialog: dialogOf("a") } });
    tell({ event: "snapshot", response: { loginId: "1000", stream: "t", seq: 1, registration: "IN_SERVICE", dialogs: [dialogOf("b")] } });
    equal(told, ["a ACTIVE", "a DROPPED", "b ACTIVE"]);
    equal([...agent.calls.keys()], ["b"]);
  },
  "who did not ask for it is told that the log-in is over": (desk) => {
    const logout = { type: "message", now: NOW, message: { event: "agentInfo", response: { state: "LOGOUT" } } };
    equal(play(desk, logout).login.code, "ended");
    equal(play(desk, { type: "asked", id: "1", action: "logout" }, logout).login.code, null);
  },
  "an audio path that flows again is no longer called lost": (desk) => {
    const state = play(desk, heard("dialogState", dialogOf("a")), error({ code: "media-lost", dialogId: "a" }), error({ code: "hold-refused", dialogId: "a" }));
    const codes = (audio) => desk.reduce(state, { type: "stats", call: "a", audio }).notices.map((each) => each.code);
    equal([codes({ lossPercent: null }), codes({ lossPercent: 100 }), codes({ lossPercent: 3 })], [["media-lost", "hold-refused"], ["media-lost", "hold-refused"], ["hold-refused"]]);
  },
  "without a connection nothing is asked of the gateway": (desk) => {
    const away = play(desk, heard("dialogState", dialogOf("a")), { type: "connection", state: "resuming" });
    equal([{ do: "hangup", call: "a" }, { do: "dial", number: "1" }, { do: "look" }].map((intent) => desk.commands(away, intent)), [[], [], []]);
  },
  "a call that was on hold before the page was loaded shows for how long": (desk) => {
    const at = (stateChangeTime) => dialogOf("a", "HELD", { participants: [{ mediaAddress: "1000", state: "HELD", mute: false, startTime: new Date(NOW - 90_000).toISOString(), stateChangeTime }] });
    equal(play(desk, heard("dialogState", at(new Date(NOW - 60_000).toISOString()))).calls[0].since, NOW - 60_000);
    equal(play(desk, heard("dialogState", at(new Date(NOW + 60_000).toISOString()))).calls[0].since, NOW);
    equal(play(desk, heard("dialogState", at("soon"))).calls[0].since, NOW);
  },
  "what failed towards a number names that number": (desk) => {
    const settled = { type: "settled", id: "1", action: "SST", call: "a", number: "1019", error: { code: "403" } };
    const state = play(desk, heard("dialogState", dialogOf("a")), error({ code: "403", dialogId: "a" }), settled);
    equal(state.notices.map((each) => [each.code, each.number]), [["403", "1019"]]);
  },
  "a page whose audio is elsewhere keeps no measure of it": (desk) => {
    const state = play(desk, heard("dialogState", dialogOf("a")), { type: "stats", call: "a", audio: { mos: 4 } });
    equal([state.calls[0].quality.band, desk.reduce(state, { type: "media", change: { elsewhere: true } }).calls[0].quality], ["good", null]);
  },
  "who has no microphone is not ready": (desk) => {
    const state = (media) => play(desk, { type: "message", now: NOW, message: { event: "xmppEvent", response: { type: "IN_SERVICE" } } }, { type: "media", change: media });
    equal([{ kind: "none", denied: true }, { kind: "browser", ready: true }, { kind: "browser", denied: true }, { kind: "browser", denied: true, elsewhere: true }].map((media) => desk.readiness(state(media))), ["ready", "ready", "silent", "ready"]);
  },
  "a number with control characters is none": (desk) => {
    equal(["1\r\n2", "1\u00002", "tel:1\u001b2", " 12\n"].map(desk.dialable), ["", "", "", "12"]);
    equal([desk.numberOf("tel:1%0d%0a2"), desk.numberOf("tel:1%002"), desk.numberOf("tel:1%202")], ["", "", "12"]);
    equal(desk.askedBy({ SourceType: "CTI", calledNumber: "1\r\n2" }), null);
  },
  "an inbound call rings, is answered, held and ends": (desk) => {
    const ringing = play(desk, heard("newInboundCall", dialogOf("a", "ALERTING", { queueName: "support" })));
    equal(shape(ringing), ["call in ringing 5551"]);
    equal(ringing.said.at(-1).urgent, true);
    equal(ringing.said.at(-1).key, "say.ringingQueue");
    const active = desk.reduce(ringing, heard("dialogState", dialogOf("a"), NOW + 3000));
    equal([active.calls[0].phase, active.calls[0].answered], ["active", NOW]);
    const ended = desk.reduce(active, heard("dialogState", dialogOf("a", "DROPPED", { callEndReason: "NORMAL_CLEARING", isCallEnded: 1 }), NOW + 10_000));
    equal([ended.calls[0].phase, ended.history.length, ended.history[0].seconds], ["ended", 1, 10]);
    equal(desk.reduce(ended, { type: "tick", now: NOW + 10_000 + desk.LINGER }).calls, []);
  },
  "an outbound call shows the number that was dialled": (desk) => {
    const state = play(desk, heard("outboundDialing", dialogOf("a", "INITIATING", { fromAddress: "1000", dialedNumber: "9196", callType: "OUT" })));
    equal(shape(state), ["call out dialing 9196"]);
  },
  "an outbound call that was refused keeps its reason": (desk) => {
    const state = play(desk,
      heard("outboundDialing", dialogOf("a", "INITIATING", { fromAddress: "1000" })),
      heard("dialogState", dialogOf("a", "DROPPED", { callEndReason: "USER_BUSY" })),
      error({ code: "USER_BUSY", dialogId: "a" }));
    equal([state.calls[0].reason, state.calls[0].refusal, state.notices.length], ["USER_BUSY", "USER_BUSY", 0]);
  },
  "a consult is about the call that was held for it": (desk) => {
    const state = play(desk, HELD, CONSULT("INITIATING"));
    equal([state.calls[1].kind, state.calls[1].way, state.calls[1].about], ["consult", "out", "a"]);
    equal(desk.partner(state, state.calls[0]).id, "c");
    equal(desk.partner(state, state.calls[1]).id, "a");
  },
  "of two held calls a consult is about the one that was named": (desk) => {
    const state = play(desk, HELD, heard("dialogState", dialogOf("b", "HELD"), NOW + 1), { type: "asked", id: "1", action: "makeConsult", call: "a" }, CONSULT("INITIATING"));
    equal(state.calls.at(-1).about, "a");
  },
  "who is consulted has nothing to complete": (desk) => {
    const state = play(desk, heard("ConsultCall", dialogOf("c", "ALERTING", { callType: "CONSULT", ani: "1001" })), heard("ConsultCall", dialogOf("c", "ACTIVE", { callType: "CONSULT", ani: "1001" })));
    equal(shape(state), ["consult in active 1001"]);
    equal(desk.commands(state, { do: "complete", call: "c" }), []);
  },
  "a transfer passes a call on, a new dialog takes it over": (desk) => {
    const state = play(desk, heard("ConsultCall", dialogOf("c", "ACTIVE", { callType: "CONSULT", ani: "1001" })),
      heard("ConsultCall", dialogOf("c", "DROPPED", { callType: "CONSULT", callEndReason: "ATTENDED_TRANSFER" })),
      heard("dialogState", dialogOf("a", "ACTIVE", { callType: "CONSULT_TRANSFER" })));
    equal(shape(state), ["consult in ended 1001", "call in active 5551"]);
    equal(state.calls[0].goesOn, true);
  },
  "in a conference what counts is one's own entry": (desk) => {
    const own = { mediaAddress: "1000", state: "HELD", mute: true, startTime: "", actions: { action: [] } };
    const others = [{ ...own, mediaAddress: "5551", state: "ACTIVE", mute: false }, { ...own, mediaAddress: "1002" }];
    const state = play(desk, heard("dialogState", dialogOf("a", "ACTIVE", { callType: "CONFERENCE", participants: [own, ...others] })));
    equal([state.calls[0].kind, state.calls[0].phase, state.calls[0].muted], ["conference", "held", true]);
    equal(state.calls[0].members.map((each) => `${each.number} ${each.phase} ${each.muted}`), ["5551 active false", "1002 held true"]);
  },
  "a dialog that goes on under the same id comes back": (desk) => {
    const state = play(desk, heard("dialogState", dialogOf("a", "ACTIVE", { callType: "MONITORING", fromAddress: "1000", dialedNumber: "1001" })),
      heard("dialogState", dialogOf("a", "DROPPED", { callEndReason: "BARGE_CONFERENCE" })),
      heard("dialogState", dialogOf("a", "ACTIVE", { callType: "CONFERENCE" })));
    equal([state.calls.length, state.calls[0].kind], [1, "conference"]);
  },
  "a snapshot ends what is gone and shows what is there": (desk) => {
    const message = { event: "snapshot", response: { registration: "IN_SERVICE", dialogs: [dialogOf("b", "ALERTING")] } };
    const state = play(desk, heard("dialogState", dialogOf("a")), { type: "message", now: NOW, message });
    equal(shape(state), ["call in ended 5551", "call in ringing 5551"]);
    equal(state.registration, "IN_SERVICE");
  },
  "the same error is told once": (desk) => {
    const state = play(desk, heard("dialogState", dialogOf("a")), error({ code: "hold-refused", dialogId: "a" }), { type: "settled", id: "1", action: "holdCall", call: "a", error: { code: "hold-refused" } });
    equal(state.notices.map((each) => each.code), ["hold-refused"]);
    equal(desk.reduce(state, { type: "dismiss", id: state.notices[0].id }).notices, []);
  },
  "a refused login says why and logs nobody in": (desk) => {
    const state = [{ type: "connection", state: "open" }, { type: "login", change: { pending: true } }, error({ type: "subscriptionFailed", code: "credentials-refused" })].reduce(desk.reduce, desk.initial());
    equal([state.agent, state.login.pending, state.login.code], [null, false, "credentials-refused"]);
  },
  "a server that is not reached yet logs in when it is": (desk) => {
    const state = [{ type: "login", change: { pending: true } }, error({ type: "networkIssue", code: "unreachable" }), LOGIN].reduce(desk.reduce, desk.initial());
    equal([state.agent.extension, state.login.code], ["1000", null]);
  },
  "a connection that is lost is told, one that is closed logs out": (desk) => {
    const lost = play(desk, { type: "connection", state: "resuming" });
    equal([saidKeys(lost).at(-1), lost.agent.extension], ["say.connectionLost", "1000"]);
    equal(saidKeys(desk.reduce(lost, { type: "connection", state: "open" })).at(-1), "say.connectionBack");
    equal(desk.reduce(lost, { type: "connection", state: "closed" }).agent, null);
    equal(desk.reduce(lost, error({ code: "resume-failed" })).login.code, "resume-failed");
  },
  "logging out leaves nothing of the agent": (desk) => {
    const state = play(desk, heard("dialogState", dialogOf("a")), { type: "ui", change: { number: "123" } }, { type: "message", now: NOW, message: { event: "agentInfo", response: { state: "LOGOUT" } } });
    equal([state.agent, state.calls, state.history, state.ui.number], [null, [], [], ""]);
  },
  "keys are about the call that is spoken to, or was chosen": (desk) => {
    const two = play(desk, HELD, heard("dialogState", dialogOf("b")));
    equal(desk.chosen(two).id, "b");
    equal(desk.chosen(desk.reduce(two, { type: "choose", call: "a" })).id, "a");
  },
  "resuming one call holds the other first": (desk) => {
    const state = play(desk, HELD, heard("dialogState", dialogOf("b")));
    equal(desk.commands(state, { do: "retrieve", call: "a" }).map((step) => [step.action, step.parameter.dialogId]), [["holdCall", "b"], ["retrieveCall", "a"]]);
  },
  "swapping turns to the one that waits, either way": (desk) => {
    const state = play(desk, HELD, CONSULT("ACTIVE"));
    for (const call of ["a", "c"]) equal(desk.commands(state, { do: "swap", call }).map((step) => step.parameter.dialogId), ["c", "a"]);
    const turned = [heard("dialogState", dialogOf("a")), CONSULT("HELD")].reduce(desk.reduce, state);
    equal(desk.commands(turned, { do: "swap", call: "a" }).map((step) => step.parameter.dialogId), ["a", "c"]);
  },
  "a consult that rings can be neither completed nor joined": (desk) => {
    const state = play(desk, HELD, CONSULT("INITIATED"));
    equal(desk.commands(state, { do: "complete", call: "c" }), []);
    equal(desk.commands(state, { do: "conference", call: "c" }), []);
    const up = desk.reduce(state, CONSULT("ACTIVE"));
    equal(desk.commands(up, { do: "complete", call: "c" }).map((step) => step.action), ["consultTransfer"]);
    equal(desk.commands(up, { do: "conference", call: "a" }).map((step) => step.action), ["conference_consult"]);
  },
  "what cannot be done gives no command": (desk) => {
    const ringing = play(desk, heard("newInboundCall", dialogOf("a", "ALERTING")));
    for (const name of ["hold", "retrieve", "mute", "transfer", "consult", "digits", "whisper", "barge", "drop", "swap", "hangup"]) equal(desk.commands(ringing, { do: name, number: "1", digit: "1" }), []);
    equal(desk.commands(play(desk), { do: "hold" }), []);
    equal(desk.commands(play(desk), { do: "dial", number: "  " }), []);
    const active = play(desk, heard("dialogState", dialogOf("a")));
    equal(desk.commands(active, { do: "digits", digit: "1;2" }), []);
  },
  "transfers go to a number or a queue": (desk) => {
    const state = play(desk, heard("dialogState", dialogOf("a")));
    equal(desk.commands(state, { do: "transfer", number: "10 02" })[0].parameter, { dialogId: "a", numberToTransfer: "1002" });
    equal(desk.commands(state, { do: "consult", number: "800", queue: "sales" })[0].parameter, { dialogId: "a", numberToTransfer: "800", queue: "sales", queueType: "NAME" });
  },
  "a call is made with video or screen, and called back": (desk) => {
    const state = play(desk);
    const sent = (intent) => desk.commands(state, { do: "dial", number: "1001", ...intent }).map(({ action, parameter }) => [action, parameter.callType]);
    equal([sent({}), sent({ media: "video" }), sent({ media: "screenshare" }), sent({ back: true })], [[["makeCall", "audio"]], [["makeCall", "video"]], [["makeCall", "screenshare"]], [["makeOBCall", "audio"]]]);
    equal(desk.commands(state, { do: "look" }), [{ action: "getState", parameter: {} }]);
  },
  "details are changed of calls of one's own": (desk) => {
    const variables = { callVariable3: "gold" };
    const sent = (state) => desk.commands(state, { do: "describe", call: "a", variables }).map(({ action, parameter }) => [action, parameter]);
    equal(sent(play(desk, heard("dialogState", dialogOf("a")))), [["updateCallVariableData", { dialogId: "a", callVariables: variables }]]);
    equal(sent(play(desk, heard("dialogState", dialogOf("a", "ACTIVE", { callType: "MONITORING" })))), []);
    equal(sent(play(desk, heard("newInboundCall", dialogOf("a", "ALERTING")))), []);
    equal(desk.commands(play(desk, heard("dialogState", dialogOf("a"))), { do: "describe", call: "a", variables: {} }), []);
  },
  "what the page above asks for": (desk) => {
    const click = { SourceType: "CTI", calledNumber: "1001", Destination_Number: "+49 (89) 12", callType: "video" };
    equal(desk.askedBy(click), { call: "+498912", media: "video" });
    equal(desk.askedBy({ SourceType: "CTI", calledNumber: "1001", callType: "fax" }), { call: "1001", media: "audio" });
    equal(desk.askedBy({ token: "a.b.c" }), { token: "a.b.c" });
    equal([null, 3, "x", [], {}, { SourceType: "CTI" }, { calledNumber: "1" }, { token: 3 }, { token: "" }].map(desk.askedBy), Array(9).fill(null));
  },
  "a call that is over can be taken away, one that is not cannot": (desk) => {
    const active = play(desk, heard("dialogState", dialogOf("a")));
    equal(desk.reduce(active, { type: "dismissCall", call: "a" }).calls.length, 1);
    const ended = desk.reduce(active, heard("dialogState", dialogOf("a", "DROPPED")));
    equal([ended.calls.length, desk.reduce(ended, { type: "dismissCall", call: "a" }).calls.length], [1, 0]);
  },
  "the end of a log-in is told, goes away when it is renewed, and logs out when it comes": (desk) => {
    const warned = play(desk, { type: "message", now: NOW, message: { event: "tokenExpiring", response: { seconds: 60 } } });
    equal(warned.notices.map((each) => each.key), ["notice.tokenExpiring"]);
    const renewed = desk.reduce(warned, { type: "renewed" });
    equal([renewed.notices, renewed.said.at(-1).key], [[], "say.renewed"]);
    const over = desk.reduce(warned, error({ code: "token-expired" }));
    equal([over.agent, over.login.code], [null, "token-expired"]);
  },
  "video of both sides is kept apart": (desk) => {
    const told = (eventRequest, status = "success") => ({ type: "message", now: NOW, message: { event: "mediaConversion", status, dialog: { id: "a", eventRequest, stream: "video", streamStatus: "on" } } });
    const state = play(desk, heard("dialogState", dialogOf("a")), told("local"), told("remote"));
    equal([state.calls[0].sends.video, state.calls[0].receives.video], [true, true]);
    equal(desk.reduce(state, told("local", "error")).notices[0].code, "cannot-convert");
  },
  "the quality of audio is a word of three": (desk) => {
    const band = (mos, warning = null) => desk.quality({ mos, packetsReceived: 90, packetsLost: 10 }, warning)?.band;
    equal([band(4.2), band(3.4), band(2), band(4.2, "loss"), band(null)], ["good", "fair", "poor", "fair", undefined]);
    equal(desk.quality({ mos: 4, packetsReceived: 90, packetsLost: 10 }, null).loss, 10);
  },
  "what a desk is sent is bounded": (desk) => {
    const many = Array.from({ length: 300 }, (_, at) => heard("dialogState", dialogOf(`n${at}`)));
    equal(play(desk, ...many).calls.length, 40);
    const variables = { CallVariable: Array.from({ length: 500 }, (_, at) => ({ name: `v${at}`, value: "x".repeat(100_000) })) };
    const { calls } = play(desk, heard("newInboundCall", dialogOf("a", "ALERTING", { callVariables: variables })));
    equal([calls[0].variables.length, calls[0].variables[0].value.length <= 401], [64, true]);
  },
  "rubbish from the socket changes nothing": (desk) => {
    const before = play(desk);
    for (const message of [null, 1, "x", [], {}, { event: "dialogState" }, { event: "x" }, { event: "callStats", response: {} }, { event: "dialogState", response: { dialog: {} } }, { event: "newInboundCall", response: { dialog: { id: 1, state: "ALERTING", participants: "no", callVariables: { CallVariable: [null, 3, { name: {}, value: [] }] } } } }]) {
      const after = desk.reduce(before, { type: "message", now: NOW, message });
      equal(after.calls.length <= 1, true);
    }
  },
  "texts of others lose what could harm": (desk) => {
    equal(desk.clean("a\u202eb\u0000c\nd\u200f"), "a b c d");
    equal(Array.from(desk.clean("x".repeat(10_000))).length, 81);
    equal(desk.clean("o" + "\u0301".repeat(50)), "o\u0301\u0301\u0301");
    equal(desk.clean("محمد 😀"), "محمد 😀");
    equal([desk.clean(null), desk.clean(7), desk.clean({})], ["", "", ""]);
  },
  "numbers are dialled without the marks that people write": (desk) => {
    equal(desk.dialable(" +49 (89) 123-45/67 "), "+49891234567");
    equal(desk.dialable("tel:+1.555.0100"), "+15550100");
    equal(desk.dialable("٠١٢٣"), "0123");
    equal([desk.dialable("800-support"), desk.dialable("alice.b"), desk.dialable("*44")], ["800-support", "alice.b", "*44"]);
  },
  "spans of time are short": (desk) => {
    equal([0, 7, 754, 3723, -5, NaN].map(desk.duration).slice(0, 5), ["0:00", "0:07", "12:34", "1:02:03", "0:00"]);
  },
  "messages fall back to English, values are filled in once": (desk) => {
    const messages = new desk.Messages({ a: "{x} and {y}", "n.one": "one", n: "{count} calls" }, { b: "ب", "@language": "ar", "@direction": "rtl" });
    equal([messages.text("a", { x: "{y}", y: "2" }), messages.text("b"), messages.text("nothing"), messages.direction], ["{y} and 2", "ب", "nothing", "rtl"]);
  },
  "a single key has a meaning, with others pressed it has none": (desk) => {
    const key = (key, more = {}) => desk.meaning({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more });
    equal([key("a"), key("A"), key("h"), key("?"), key("Escape"), key("z")], ["answer", "answer", "toggleHold", "help", "close", null]);
    equal([key("E", { shiftKey: true }), key("e"), key("a", { ctrlKey: true }), key("ش", { code: "KeyA" })], ["hangup", null, null, "answer"]);
  },
};

/** @param {string} base */
export async function run(base, name = null) {
  const desk = await load(base);
  for (const each of name === null ? Object.keys(cases) : [name]) {
    try {
      await cases[each](desk);
    } catch (problem) {
      throw new Error(`${each}: ${problem.message}`);
    }
  }
}
