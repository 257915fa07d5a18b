// The desk as a value. `reduce(state, input)` gives the next one; nothing here knows a page, a socket or a clock.
//
// Inputs: {type: "message", message, now}     a message of the gateway (offhook.d.ts)
//         {type: "connection", state}         connecting, open, resuming, closed
//         {type: "asked" | "settled", ...}    a command of ours is under way; has its outcome
//         {type: "ui", change}                what the agent looks at
//         {type: "media", change}             what the page's audio is like
//         {type: "tick", now}                 time goes by
// What is to be said aloud is appended to `said`: {id, urgent, key, values}.

import { clean, NAME_LENGTH, VALUE_LENGTH } from "./text.mjs";

export const LINGER = 6000;
/** Milliseconds that a call which is over stays on the screen; so long a notice stays that is no error. */
export const MOST_HISTORY = 200;
const MOST_NOTICES = 4;
const MOST_VARIABLES = 64;
const MOST_CALLS = 40;
/** From which mean opinion score on the audio is called what (ITU-T G.107 Annex B, in three steps). */
const MOS_BANDS = /** @type {const} */ ([[3.8, "good"], [3.1, "fair"], [0, "poor"]]);

/**
 * @typedef {"ringing" | "dialing" | "active" | "held" | "ended"} Phase
 * @typedef {"in" | "out"} Way
 * @typedef {{name: string, value: string}} Variable
 * @typedef {{number: string, phase: Phase, muted: boolean}} Member
 * @typedef {{
 *   id: string, way: Way, kind: "call" | "consult" | "campaign" | "monitoring" | "conference", phase: Phase,
 *   number: string, customer: string, raw: string, queue: string, variables: Variable[], muted: boolean,
 *   remoteHold: boolean, members: Member[], began: number, since: number, answered: number | null, ended: number | null,
 *   reason: string | null, goesOn: boolean, about: string | null, media: string, listening: "listen" | "whisper" | null,
 *   quality: Quality | null, sends: {video: boolean, screenshare: boolean}, receives: {video: boolean, screenshare: boolean},
 *   digits: string, refusal: string | null }} Call
 * @typedef {{band: "good" | "fair" | "poor", mos: number | null, loss: number | null, jitter: number | null,
 *   roundTrip: number | null, codec: string, warning: string | null}} Quality
 * @typedef {{id: string, way: Way, kind: string, number: string, raw: string, queue: string, began: number,
 *   seconds: number | null, reason: string | null, goesOn: boolean}} Past
 * @typedef {{id: number, level: "error" | "warning" | "info", code?: string, key?: string, values?: Record<string, string>,
 *   call: string | null, at: number, number?: string}} Notice
 * @typedef {{id: number, urgent: boolean, key: string, values: Record<string, string | number>}} Saying
 */

/** @param {Record<string, any>} [given] settings that are remembered */
export function initial(given = {}) {
  return {
    connection: /** @type {"connecting" | "open" | "resuming" | "closed"} */ ("closed"),
    agent: /** @type {null | {extension: string, loginId: string}} */ (null),
    registration: /** @type {null | "IN_SERVICE" | "OUT_OF_SERVICE"} */ (null),
    login: { pending: false, /** @type {string | null} */ code: null, extension: "" },
    /** @type {Call[]} */ calls: [],
    /** @type {string | null} the call that shortcuts are about */ chosen: null,
    /** @type {Record<string, string>} action of each command under way, by its id */ pending: {},
    /** @type {Past[]} */ history: [],
    /** @type {Notice[]} */ notices: [],
    /** @type {Saying[]} */ said: [],
    serial: 0,
    now: 0,
    /** @type {{extension: string, calls: {number: string, phase: Phase}[]}[] | null} */ agents: null,
    supervisor: /** @type {boolean | null} */ (null),
    media: {
      kind: /** @type {"unknown" | "none" | "browser"} */ ("unknown"), ready: false, denied: false, blocked: false,
      elsewhere: false, video: false, screen: false,
      /** @type {{id: string, label: string}[]} */ microphones: [], /** @type {{id: string, label: string}[]} */ speakers: [],
      /** @type {{id: string, label: string}[]} */ cameras: [],
      microphone: "", speaker: "", camera: "", testing: false,
    },
    ui: {
      tab: "dial", number: "", /** @type {Record<string, Panel | null>} */ panels: {}, help: false,
      /** @type {string | null} */ focus: null, agentNumber: "",
      theme: "auto", language: "", shortcuts: true, ringer: true, ...given,
    },
  };
}

/**
 * @typedef {ReturnType<typeof initial>} State
 * @typedef {{name: "keypad" | "transfer" | "consult" | "closed", number?: string, queue?: string, toQueue?: boolean}} Panel
 */

/**
 * @param {State} state
 * @param {any} input
 * @returns {State}
 */
export function reduce(state, input) {
  switch (input.type) {
    case "message":
      return message({ ...state, now: input.now ?? state.now }, input.message);
    case "connection":
      return connection(state, input.state);
    case "asked":
      return { ...state, pending: { ...state.pending, [input.id]: `${input.action} ${input.call ?? ""}` } };
    case "settled":
      return settled(state, input);
    case "login":
      return { ...state, login: { ...state.login, ...input.change } };
    case "ui":
      return { ...state, ui: { ...state.ui, ...input.change } };
    case "panel":
      return { ...state, ui: { ...state.ui, panels: { ...state.ui.panels, [input.call]: input.panel } } };
    case "choose":
      return state.calls.some((call) => call.id === input.call) ? { ...state, chosen: input.call } : state;
    case "media":
      return { ...state, media: { ...state.media, ...input.change } };
    case "call":
      return change(state, input.call, input.change);
    case "stats":
      return measured(state, input.call, input.audio);
    case "warning":
      return warned(state, input.call, input.warning);
    case "agents":
      return { ...state, agents: readAgents(input.agents), supervisor: input.supervisor };
    case "history":
      return { ...state, history: input.history.slice(0, MOST_HISTORY) };
    case "notice":
      return notice(state, input.notice);
    case "dismiss":
      return { ...state, notices: state.notices.filter((each) => each.id !== input.id) };
    case "said":
      return { ...state, said: state.said.filter((each) => each.id > input.upTo) };
    case "tick":
      return tick(state, input.now);
    default:
      throw new Error(`no such input: ${input.type}`);
  }
}

/** The calls that are not over, in the order in which they began. @param {State} state */
export function live(state) {
  return state.calls.filter((call) => call.phase !== "ended");
}

/** The call that shortcuts and the dial pad are about. @param {State} state @returns {Call | null} */
export function chosen(state) {
  const calls = live(state);
  const ringing = calls.find((call) => call.phase === "ringing");
  const own = calls.find((call) => call.id === state.chosen);
  if (own) return own;
  return ringing ?? calls.find((call) => call.phase === "active") ?? calls[0] ?? null;
}

/** The consult that we made about a call, or the call that a consult of ours is about. @param {State} state @param {Call} call */
export function partner(state, call) {
  const calls = live(state);
  if (call.kind === "consult") return calls.find((each) => each.id === call.about) ?? null;
  return calls.find((each) => each.kind === "consult" && each.about === call.id) ?? null;
}

/** Whether a command of that action is under way for that call. @param {State} state @param {string} action @param {string} [call] */
export function busy(state, action, call = "") {
  return Object.values(state.pending).includes(`${action} ${call}`);
}

// ------------------------------------------------------------------------------------------------ messages

/** @param {State} state @param {any} given @returns {State} */
function message(state, given) {
  const response = given?.response ?? {};
  switch (given?.event) {
    case "agentInfo":
      return agentInfo(state, response);
    case "xmppEvent":
      return registration(state, response.type);
    case "dialogState":
    case "newInboundCall":
    case "outboundDialing":
    case "ConsultCall":
    case "campaignCall":
    case "MONITORING":
      return response.dialog ? dialog(state, given.event, response.dialog) : state;
    case "agentState":
    case "snapshot":
      return snapshot(state, response);
    case "Error":
      return failed(state, response);
    case "DTMF":
      return dtmf(state, response);
    case "callStats":
      return measured(state, response.dialogId, response.audio ?? {});
    case "tokenExpiring":
      return notice(state, { level: "warning", key: "notice.tokenExpiring", values: { minutes: String(Math.max(1, Math.round((response.seconds ?? 60) / 60))) } });
    case "mediaConversion":
      return conversion(state, given);
    default:
      return state;
  }
}

/** @param {State} state @param {any} response */
function agentInfo(state, response) {
  if (response.state === "LOGIN") {
    if (state.agent) return state;
    const agent = { extension: clean(response.extension, 64), loginId: clean(response.loginId, 64) };
    const next = { ...state, agent, login: { ...state.login, pending: false, code: null } };
    return say(next, "say.login", { number: agent.extension });
  }
  if (!state.agent) return state;
  const next = { ...loggedOut(state), login: { ...state.login, pending: false } };
  return say(next, "say.logout");
}

/** What is left when nobody is logged in any more. @param {State} state @returns {State} */
function loggedOut(state) {
  const ui = { ...state.ui, panels: {}, number: "", tab: "dial", help: false };
  return { ...state, agent: null, registration: null, calls: [], chosen: null, pending: {}, history: [], agents: null, notices: [], supervisor: null, ui };
}

/** The gateway does not know this agent any more. @param {State} state @param {string} code @returns {State} */
function expelled(state, code) {
  return { ...loggedOut(state), login: { ...state.login, pending: false, code } };
}

/** @param {State} state @param {"IN_SERVICE" | "OUT_OF_SERVICE"} type */
function registration(state, type) {
  if (type === state.registration || (type !== "IN_SERVICE" && type !== "OUT_OF_SERVICE")) return state;
  const next = { ...state, registration: type };
  if (type === "OUT_OF_SERVICE") return say(next, "say.outOfService", {}, true);
  const left = next.notices.filter((each) => each.code !== "out-of-service" && each.code !== "unreachable");
  return state.registration === null ? next : say({ ...next, notices: left }, "say.inService");
}

/** @param {State} state @param {"connecting" | "open" | "resuming" | "closed"} now */
function connection(state, now) {
  if (now === state.connection) return state;
  const next = { ...state, connection: now };
  if (!state.agent) return next;
  // Closed for good: the gateway does not want this connection, or the agent has gone.
  if (now === "closed") return say(expelled(next, "closed"), "say.connectionLost", {}, true);
  if (now === "resuming") {
    return state.connection === "open" ? say(next, "say.connectionLost", {}, true) : next;
  }
  return now === "open" ? say(next, "say.connectionBack") : next;
}

/** All calls as they are now: what is not among them has ended meanwhile. @param {State} state @param {any} response */
function snapshot(state, response) {
  let next = registration(state, response.registration);
  const dialogs = Array.isArray(response.dialogs) ? response.dialogs : [];
  const known = new Set(dialogs.map((/** @type {any} */ each) => each.id));
  for (const call of live(next)) {
    if (!known.has(call.id)) next = over(next, call, { reason: null, goesOn: false });
  }
  for (const each of dialogs) next = dialog(next, eventOf(each), each);
  return next;
}

/** @param {any} given */
function eventOf(given) {
  if (given.callType === "CONSULT") return "ConsultCall";
  if (given.callType === "OUTBOUND") return "campaignCall";
  if (given.state === "ALERTING") return "newInboundCall";
  return given.state === "INITIATING" || given.state === "INITIATED" ? "outboundDialing" : "dialogState";
}

const PHASES = /** @type {Record<string, Phase>} */ ({
  INITIATING: "dialing", INITIATED: "dialing", ALERTING: "ringing", ACTIVE: "active", HELD: "held", DROPPED: "ended",
});

/** A dialog's event. @param {State} state @param {string} event @param {any} given @returns {State} */
function dialog(state, event, given) {
  const id = String(given.id ?? "");
  const before = state.calls.find((call) => call.id === id && call.phase !== "ended");
  if (given.state === "DROPPED") {
    if (!before) return state;
    return over(state, before, { reason: given.callEndReason ?? null, goesOn: given.isCallEnded === 0 });
  }
  if (!before && live(state).length >= MOST_CALLS) return state;
  const call = read(state, event, given, before ?? state.calls.find((each) => each.id === id));
  const calls = before
    ? state.calls.map((each) => (each === before ? call : each))
    : [...state.calls.filter((each) => each.id !== id), call];
  const own = before || call.phase === "ringing" || call.kind === "consult" ? state.chosen : id;
  // A call that one has just turned to is the one that keys are about.
  const turned = call.phase === "active" && before?.phase !== "active";
  const next = { ...state, calls, chosen: turned || own === null ? id : own };
  return tell(next, before, call);
}

/** @param {State} state @param {string} event @param {any} given @param {Call | undefined} before @returns {Call} */
function read(state, event, given, before) {
  const own = given.participants?.[0] ?? {};
  const conference = given.callType === "CONFERENCE";
  // In a conference, what the agent does is told by the agent's own entry alone.
  const phase = PHASES[conference ? own.state : given.state] ?? PHASES[given.state] ?? "active";
  const extension = state.agent?.extension;
  const way = before?.way ?? (event === "outboundDialing" || (given.state !== "ALERTING" && given.fromAddress === extension) ? "out" : "in");
  const raw = numberOf(given, way, event);
  const kind = kindOf(event, given);
  const began = before?.began ?? state.now;
  const answered = phase === "active" || phase === "held" ? before?.answered ?? startOf(own, state.now) : null;
  return {
    id: String(given.id), way, kind, phase, raw,
    number: clean(raw, NAME_LENGTH),
    customer: kind === "consult" && way === "in" && given.customerNumber !== "0000" ? clean(given.customerNumber) : "",
    queue: clean(given.queueName ?? ""),
    variables: variables(given),
    muted: own.mute === true,
    remoteHold: given.remoteHold === true,
    members: conference ? members(given) : [],
    began, answered,
    since: before?.phase === phase ? before.since : state.now,
    ended: null, reason: null, goesOn: false, refusal: null,
    about: kind !== "consult" || way === "in" ? null : before?.about ?? aboutOf(state, String(given.id)),
    media: String(given.mediaType ?? "audio"),
    listening: kind === "monitoring" ? before?.listening ?? "listen" : null,
    quality: before?.quality ?? null,
    sends: before?.sends ?? { video: false, screenshare: false },
    receives: before?.receives ?? { video: false, screenshare: false },
    digits: before?.digits ?? "",
  };
}

/** @param {any} given @param {Way} way @param {string} event */
function numberOf(given, way, event) {
  if (way === "out") return String(given.dialedNumber || given.customerNumber || "");
  if (event === "ConsultCall") return String(given.ani || given.fromAddress || "");
  return String(given.fromAddress || given.customerNumber || given.ani || "");
}

/** @param {string} event @param {any} given @returns {Call["kind"]} */
function kindOf(event, given) {
  if (given.callType === "CONFERENCE") return "conference";
  if (given.callType === "MONITORING") return "monitoring";
  if (event === "ConsultCall") return "consult";
  return event === "campaignCall" ? "campaign" : "call";
}

/** @param {any} own @param {number} now */
function startOf(own, now) {
  const told = Date.parse(own.startTime ?? "");
  return Number.isFinite(told) && told <= now && now - told < 864e5 ? told : now;
}

/** The call that a new consult of ours is about: that which was held for it. @param {State} state @param {string} id */
function aboutOf(state, id) {
  const taken = new Set(live(state).map((call) => call.about));
  const fit = live(state).filter((call) => call.id !== id && call.kind !== "consult" && call.kind !== "monitoring" && !taken.has(call.id));
  const asked = Object.values(state.pending).find((each) => each.startsWith("makeConsult"))?.split(" ")[1];
  const newest = (/** @type {Call[]} */ from) => from.reduce((last, call) => (last && last.since > call.since ? last : call), /** @type {Call | null} */ (null));
  const found = fit.find((call) => call.id === asked) ?? newest(fit.filter((call) => call.phase === "held")) ?? newest(fit);
  return found?.id ?? null;
}

/** @param {any} given @returns {Variable[]} */
function variables(given) {
  const listed = given.callVariables?.CallVariable;
  if (!Array.isArray(listed)) return [];
  return listed
    .filter((each) => each && typeof each.value === "string" && each.value !== "")
    .slice(0, MOST_VARIABLES)
    .map((each) => ({ name: clean(each.name), value: clean(each.value, VALUE_LENGTH) }));
}

/** @param {any} given @returns {Member[]} */
function members(given) {
  return given.participants.slice(1, 9).map((/** @type {any} */ each) => ({
    number: clean(each.mediaAddress), phase: PHASES[each.state] ?? "active", muted: each.mute === true,
  }));
}

/** A call is over: it stays to be seen for a moment, and goes into the history. @param {State} state @param {Call} call @param {{reason: string | null, goesOn: boolean}} how @returns {State} */
function over(state, call, how) {
  const reason = how.reason === null ? null : clean(how.reason);
  const ended = { ...call, phase: /** @type {Phase} */ ("ended"), ended: state.now, since: state.now, members: [], muted: false, ...how, reason };
  const calls = state.calls.map((each) => (each === call ? ended : each));
  const seconds = call.answered === null ? null : Math.round((state.now - call.answered) / 1000);
  const past = { id: call.id, way: call.way, kind: call.kind, number: call.number, raw: call.raw, queue: call.queue, began: call.began, seconds, reason, goesOn: how.goesOn };
  const { [call.id]: _, [`${call.id} details`]: __, ...panels } = state.ui.panels;
  const rest = calls.filter((each) => each.phase !== "ended");
  const heir = rest.find((each) => each.id === call.about) ?? rest.find((each) => each.phase === "active") ?? rest[0];
  const next = {
    ...state, calls,
    history: [past, ...state.history].slice(0, MOST_HISTORY),
    chosen: state.chosen === call.id ? heir?.id ?? null : state.chosen,
    ui: { ...state.ui, panels },
  };
  const key = how.goesOn ? "say.passedOn" : call.phase === "ringing" && call.way === "in" ? "say.missed" : "say.ended";
  return say(next, key, { number: call.number || "?" }, call.phase === "ringing");
}

/** Say what has changed about a call. @param {State} state @param {Call | undefined} before @param {Call} call */
function tell(state, before, call) {
  const values = { number: call.number, queue: call.queue };
  if (call.phase === "ringing" && before?.phase !== "ringing") {
    const key = call.kind === "consult" ? "say.consulted" : call.queue ? "say.ringingQueue" : "say.ringing";
    return say(state, key, values, true);
  }
  if (call.phase !== before?.phase) {
    const key = { dialing: "say.dialing", active: before?.phase === "held" ? "say.retrieved" : "say.active", held: "say.held" }[/** @type {string} */ (call.phase)];
    return key ? say(state, call.kind === "monitoring" && call.phase === "active" ? "say.listening" : key, values) : state;
  }
  if (call.kind === "conference" && (before.kind !== "conference" || before.members.length !== call.members.length)) {
    return say(state, "say.conference", { count: call.members.length + 1 });
  }
  if (call.muted !== before.muted && call.kind !== "monitoring") return say(state, call.muted ? "say.muted" : "say.unmuted", values);
  if (call.remoteHold !== before.remoteHold) return say(state, call.remoteHold ? "say.remoteHold" : "say.remoteBack", values);
  return state;
}

/** @param {State} state @param {any} response */
function dtmf(state, response) {
  if (response.type !== 0) return state;
  return notice(state, { level: "error", code: "digits-refused", call: response.dialogId ?? null });
}

/** @param {State} state @param {any} given */
function conversion(state, given) {
  const at = given.dialog ?? {};
  const call = state.calls.find((each) => each.id === at.id);
  if (!call) return state;
  if (given.status === "error") return notice(state, { level: "error", code: "cannot-convert", call: call.id });
  const side = at.eventRequest === "remote" ? "receives" : "sends";
  const next = change(state, call.id, { [side]: { ...call[side], [at.stream]: at.streamStatus === "on" } });
  return side === "receives" ? say(next, `say.remote.${at.stream}.${at.streamStatus}`, { number: call.number }) : next;
}

/** @param {State} state @param {string} id @param {Partial<Call>} changed @returns {State} */
function change(state, id, changed) {
  return { ...state, calls: state.calls.map((call) => (call.id === id ? { ...call, ...changed } : call)) };
}

/** @param {State} state @param {string} id @param {any} audio */
function measured(state, id, audio) {
  const warning = state.calls.find((call) => call.id === id)?.quality?.warning ?? null;
  return change(state, id, { quality: quality(audio, warning) });
}

/** @param {State} state @param {string} id @param {string | null} warning @returns {State} */
function warned(state, id, warning) {
  const call = state.calls.find((each) => each.id === id);
  if (!call || (call.quality?.warning ?? null) === warning) return state;
  const before = call.quality ?? { band: /** @type {const} */ ("fair"), mos: null, loss: null, jitter: null, roundTrip: null, codec: "", warning };
  const next = change(state, id, { quality: { ...before, warning } });
  return warning ? say(next, "say.warning", { number: call.number, warning }) : next;
}

/** The quality of a call, for people. @param {any} audio @param {string | null} warning @returns {Quality | null} */
export function quality(audio, warning) {
  const mos = typeof audio.mos === "number" ? audio.mos : null;
  if (mos === null && !warning) return null;
  const received = (audio.packetsReceived ?? 0) + (audio.packetsLost ?? 0);
  const band = MOS_BANDS.find(([least]) => (mos ?? 0) >= least)?.[1] ?? "poor";
  return {
    band: warning && band === "good" ? "fair" : band, mos,
    loss: audio.lossPercent ?? (received > 0 && typeof audio.packetsLost === "number" ? (100 * audio.packetsLost) / received : null),
    jitter: audio.jitterMs ?? null, roundTrip: audio.roundTripMs ?? null, codec: clean(audio.codec ?? "", 20), warning,
  };
}

// ------------------------------------------------------------------------------------------------ errors, notices

/** @param {State} state @param {any} response */
function failed(state, response) {
  const code = String(response.code ?? "other");
  if (code === "resume-failed") return expelled(state, code);
  if (response.type === "subscriptionFailed" || (!state.agent && state.login.pending)) {
    return { ...state, login: { ...state.login, pending: false, code } };
  }
  const call = state.calls.find((each) => each.id === response.dialogId);
  // A call that the other side refused: the card that lingers says why, in place of a notice beside it.
  if (call?.phase === "ended") return change(state, call.id, { refusal: clean(code, 40) });
  return notice(state, { level: response.type === "networkIssue" ? "warning" : "error", code, call: response.dialogId ?? null });
}

/** @param {State} state @param {any} input */
function settled(state, input) {
  const { [input.id]: _, ...pending } = state.pending;
  const next = { ...state, pending };
  if (!input.error) return next;
  if (input.action === "login") return { ...next, login: { ...state.login, pending: false, code: String(input.error.code ?? "other") } };
  if (input.error.code === "closed" && !state.agent) return next;
  const call = next.calls.find((each) => each.id === input.call);
  if (call?.phase === "ended") return next;
  return notice(next, { level: "error", code: String(input.error.code ?? "other"), call: input.call ?? null, number: input.number });
}

/** The same, told by the event and by the result, is told once. @param {State} state @param {any} given @returns {State} */
function notice(state, given) {
  const same = (/** @type {Notice} */ each) => each.code === given.code && each.key === given.key && state.now - each.at < 3000 &&
    (each.call === given.call || each.call === null || given.call === null || given.call === undefined);
  if (state.notices.some(same)) return state;
  const id = state.serial + 1;
  const made = { call: null, ...given, id, at: state.now };
  return { ...state, serial: id, notices: [...state.notices, made].slice(-MOST_NOTICES) };
}

/** @param {State} state @param {string} key @param {Record<string, string | number>} [values] @param {boolean} [urgent] @returns {State} */
function say(state, key, values = {}, urgent = false) {
  const id = state.serial + 1;
  return { ...state, serial: id, said: [...state.said, { id, urgent, key, values }].slice(-8) };
}

/** @param {State} state @param {number} now @returns {State} */
function tick(state, now) {
  const calls = state.calls.filter((call) => call.ended === null || now - call.ended < LINGER);
  const notices = state.notices.filter((each) => each.level === "error" || now - each.at < 2 * LINGER);
  return { ...state, now, calls: calls.length === state.calls.length ? state.calls : calls, notices };
}

/** @param {any} given */
function readAgents(given) {
  if (!Array.isArray(given)) return null;
  return given.slice(0, 500).map((each) => ({
    extension: clean(each.extension, 64),
    calls: (Array.isArray(each.calls) ? each.calls : []).slice(0, 8).map((/** @type {any} */ call) => ({
      number: clean(call.number ?? call.customerNumber ?? ""), phase: PHASES[call.state] ?? "active",
    })),
  }));
}
