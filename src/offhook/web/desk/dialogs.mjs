// Calls, as the gateway tells of them: a dialog's events become a call on the desk, and what is said about it. Pure.

import { change, live, notice, say } from "./model.mjs";
import { clean, NAME_LENGTH, VALUE_LENGTH } from "./text.mjs";

export const MOST_HISTORY = 200;
const MOST_VARIABLES = 64;
const MOST_CALLS = 40;

/**
 * @typedef {import("./model.mjs").State} State @typedef {import("./model.mjs").Call} Call
 * @typedef {import("./model.mjs").Phase} Phase @typedef {import("./model.mjs").Way} Way
 * @typedef {import("./model.mjs").Variable} Variable @typedef {import("./model.mjs").Member} Member
 */

export const PHASES = /** @type {Record<string, Phase>} */ ({
  INITIATING: "dialing", INITIATED: "dialing", ALERTING: "ringing", ACTIVE: "active", HELD: "held", DROPPED: "ended",
});

/** A dialog's event. @param {State} state @param {string} event @param {any} given @returns {State} */
export function dialog(state, event, given) {
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
  const answered = phase === "active" || phase === "held" ? before?.answered ?? timeOf(own.startTime, state.now) : null;
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
    since: before?.phase === phase ? before.since : before ? state.now : timeOf(own.stateChangeTime, state.now),
    ended: null, reason: null, goesOn: false, refusal: null,
    about: kind !== "consult" || way === "in" ? null : before?.about ?? aboutOf(state, String(given.id)),
    media: String(given.mediaType ?? "audio"),
    listening: kind === "monitoring" ? before?.listening ?? "listen" : null,
    quality: before?.quality ?? null,
    sends: before?.sends ?? { video: way === "out" && given.mediaType === "video", screenshare: way === "out" && given.mediaType === "screenshare" },
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

/** A time that the gateway tells, where it can be true; else now. @param {any} at @param {number} now */
function timeOf(at, now) {
  const told = Date.parse(at ?? "");
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
export function over(state, call, how) {
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
export function dtmf(state, response) {
  if (response.type !== 0) return state;
  return notice(state, { level: "error", code: "digits-refused", call: response.dialogId ?? null });
}

/** @param {State} state @param {any} given */
export function conversion(state, given) {
  const at = given.dialog ?? {};
  const call = state.calls.find((each) => each.id === at.id);
  if (!call) return state;
  if (given.status === "error") return notice(state, { level: "error", code: "cannot-convert", call: call.id });
  const side = at.eventRequest === "remote" ? "receives" : "sends";
  const next = change(state, call.id, { [side]: { ...call[side], [at.stream]: at.streamStatus === "on" } });
  return side === "receives" ? say(next, `say.remote.${at.stream}.${at.streamStatus}`, { number: call.number }) : next;
}
