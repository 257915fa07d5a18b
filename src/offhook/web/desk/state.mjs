// What happens to the desk. `reduce(state, input)` gives the next state; nothing here knows a page, a socket or a clock.
//
// Inputs: {type: "message", message, now}     a message of the gateway (offhook.d.ts)
//         {type: "connection", state}         connecting, open, resuming, closed
//         {type: "asked" | "settled", ...}    a command of ours is under way; has its outcome
//         {type: "ui", change}                what the agent looks at
//         {type: "media", change}             what the page's audio is like
//         {type: "tick", now}                 time goes by
// What is to be said aloud is appended to `said`: {id, urgent, key, values}.

import { conversion, dialog, dtmf, MOST_HISTORY, over, PHASES } from "./dialogs.mjs";
import { change, LINGER, live, notice, say } from "./model.mjs";
import { measured, warned } from "./quality.mjs";
import { clean } from "./text.mjs";

/** @typedef {import("./model.mjs").State} State */

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
      return media(state, input.change);
    case "renewed":
      return say({ ...state, notices: state.notices.filter((each) => each.key !== "notice.tokenExpiring") }, "say.renewed");
    case "dismissCall":
      return { ...state, calls: state.calls.filter((call) => call.id !== input.call || call.phase !== "ended") };
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
    case "withdraw":
      return { ...state, notices: state.notices.filter((each) => each.key !== input.key) };
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

/** Where the audio is in another window, what was measured here says nothing any more. @param {State} state @param {any} changed @returns {State} */
function media(state, changed) {
  const calls = changed.elsewhere ? state.calls.map((call) => ({ ...call, quality: null })) : state.calls;
  return { ...state, calls, media: { ...state.media, ...changed } };
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
      return notice(state, { level: "warning", key: "notice.tokenExpiring" });
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
  const asked = Object.values(state.pending).some((each) => each.startsWith("logout"));
  const next = { ...loggedOut(state), login: { ...state.login, pending: false, code: asked ? null : "ended" } };
  return say(next, "say.logout");
}

/** What is left when nobody is logged in any more. @param {State} state @returns {State} */
function loggedOut(state) {
  const ui = { ...state.ui, panels: {}, number: "", tab: "dial", help: false, leaving: false };
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
  const left = next.notices.filter((each) => each.code !== "not-connected" && each.key !== "notice.away");
  return now === "open" ? say({ ...next, notices: left }, "say.connectionBack") : next;
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

// ------------------------------------------------------------------------------------------------ errors, notices

/** @param {State} state @param {any} response */
function failed(state, response) {
  const code = String(response.code ?? "other");
  if (code === "resume-failed" || code === "token-expired") return expelled(state, code);
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
  return notice(next, { level: "error", code: String(input.error.code ?? "other"), call: input.call ?? null, number: clean(input.number ?? "") });
}

/** @param {State} state @param {number} now @returns {State} */
function tick(state, now) {
  const calls = state.calls.filter((call) => call.ended === null || now - call.ended < LINGER);
  const notices = state.notices.filter((each) => each.level === "error" || now - each.at < 2 * LINGER);
  const ui = state.ui.leaving && !live(state).length ? { ...state.ui, leaving: false } : state.ui;
  return { ...state, now, calls: calls.length === state.calls.length ? state.calls : calls, notices, ui };
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
