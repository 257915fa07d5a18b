// What the agent wants, as commands of the contract. Pure: `commands(state, intent)` gives the steps; each is sent when
// the one before is done. An intent that is not possible now gives none.

import { chosen, live, partner } from "./model.mjs";
import { dialable } from "./text.mjs";

/**
 * @typedef {{action: string, parameter: Record<string, any>, call?: string, number?: string}} Step
 * @typedef {{do: string, call?: string, number?: string, queue?: string, queueType?: string, digit?: string,
 *   participant?: string, media?: string, stream?: "video" | "screenshare", on?: boolean, back?: boolean,
 *   variables?: Record<string, string>}} Intent
 */

/** Call states in which each can be done; what a card shows is what can be done. */
const CAN = /** @type {Record<string, string[]>} */ ({
  answer: ["ringing"], reject: ["ringing"], hangup: ["dialing", "active", "held"], hold: ["active"], retrieve: ["held"],
  mute: ["active", "held"], unmute: ["active", "held"], digits: ["active"], transfer: ["active", "held"],
  consult: ["active", "held"], convert: ["active"], describe: ["active", "held"],
});

/** Kinds of calls with which something cannot be done. */
const NOT = /** @type {Record<string, string[]>} */ ({
  hold: ["monitoring"], retrieve: ["monitoring"], mute: ["monitoring"], unmute: ["monitoring"], digits: ["monitoring"],
  transfer: ["monitoring", "conference", "consult"], consult: ["monitoring", "conference", "consult"],
  convert: ["monitoring", "conference", "consult"], describe: ["monitoring", "conference", "consult"],
});

/**
 * Whether the intent is possible with a call as it is.
 * @param {string} name @param {import("./model.mjs").Call} call
 */
export function can(name, call) {
  return (CAN[name] ?? []).includes(call.phase) && !(NOT[name] ?? []).includes(call.kind);
}

/**
 * @param {import("./model.mjs").State} state
 * @param {Intent} intent
 * @returns {Step[]}
 */
export function commands(state, intent) {
  if (state.connection !== "open") return []; // it would be done later, when nobody expects it any more
  const call = intent.call ? live(state).find((each) => each.id === intent.call) : chosen(state);
  const number = dialable(intent.number ?? "");
  if (intent.do === "dial") return number ? [dial(number, intent)] : [];
  if (intent.do === "look") return [{ action: "getState", parameter: {} }];
  if (intent.do === "listen") return number ? [listen(number)] : [];
  if (!call) return [];
  const of = (/** @type {string} */ action, /** @type {Record<string, any>} */ more = {}) => ({ action, parameter: { dialogId: call.id, ...more }, call: call.id });
  const ready = (/** @type {string} */ name, /** @type {Step[]} */ steps) => (can(name, call) ? steps : []);
  switch (intent.do) {
    case "answer":
      return ready("answer", [of("answerCall", { answerCalltype: intent.media ?? "audio" })]);
    case "reject":
      return ready("reject", [of("rejectCall")]);
    case "hangup":
      return ready("hangup", [of("releaseCall")]);
    case "hold":
      return ready("hold", [of("holdCall")]);
    case "retrieve":
      return ready("retrieve", turnTo(state, call));
    case "toggleHold":
      return commands(state, { ...intent, call: call.id, do: call.phase === "held" ? "retrieve" : "hold" });
    case "toggleMute":
      return commands(state, { ...intent, call: call.id, do: call.muted ? "unmute" : "mute" });
    case "mute":
      return ready("mute", [of("mute_call")]);
    case "unmute":
      return ready("unmute", [of("unmute_call")]);
    case "digits":
      return /^[0-9A-D*#]{1,64}$/.test(intent.digit ?? "") ? ready("digits", [of("SendDtmf", { message: intent.digit })]) : [];
    case "transfer":
      return ready("transfer", intent.queue ? [toQueue(of, "SST_Queue", number, intent)] : number ? [{ ...of("SST", { numberToTransfer: number }), number }] : []);
    case "consult":
      return ready("consult", intent.queue ? [toQueue(of, "makeConsultQueue", number, intent)] : number ? [{ ...of("makeConsult", { numberToConsult: number }), number }] : []);
    case "complete":
      return consulting(state, call) ? [of("consultTransfer")] : [];
    case "conference":
      return consulting(state, call) ? [of("conference_consult")] : [];
    case "swap": {
      const other = partner(state, call);
      const held = other && call.phase !== "held" ? other : call;
      return held.phase === "held" ? turnTo(state, held) : [];
    }
    case "drop":
      return call.kind === "conference" && intent.participant ? [of("dropParticipant", { participant: intent.participant })] : [];
    case "describe":
      return intent.variables && Object.keys(intent.variables).length ? ready("describe", [of("updateCallVariableData", { callVariables: intent.variables })]) : [];
    case "convert":
      return ready("convert", [of("convertCall", { streamType: intent.stream, streamStatus: intent.on ? "on" : "off" })]);
    case "whisper":
      return call.kind === "monitoring" && call.phase === "active" ? [of("whisper")] : [];
    case "barge":
      return call.kind === "monitoring" && call.phase === "active" ? [of("bargeIn")] : [];
    default:
      return [];
  }
}

/** Whether the call and its partner are both up. @param {import("./model.mjs").State} state @param {import("./model.mjs").Call} call */
export function consulting(state, call) {
  const other = partner(state, call);
  return other !== null && [call, other].every((each) => each.phase === "active" || each.phase === "held");
}

/** Who was called by us before, or has called us, is called back. @param {string} number @param {Intent} intent @returns {Step} */
function dial(number, { media = "audio", back = false }) {
  const action = back && media === "audio" ? "makeOBCall" : "makeCall";
  return { action, parameter: { calledNumber: number, Destination_Number: number, callType: media }, number };
}

/** @param {string} number @returns {Step} */
function listen(number) {
  const parameter = { calledNumber: number, Destination_Number: number, callType: "audio", service_Identifier: number };
  return { action: "silentMonitor", parameter, number };
}

/** @param {(action: string, more: Record<string, any>) => Step} of @param {string} action @param {string} number @param {Intent} intent */
function toQueue(of, action, number, intent) {
  const queue = (intent.queue ?? "").trim();
  return { ...of(action, { numberToTransfer: number || queue, queue, queueType: intent.queueType ?? "NAME" }), number: queue };
}

/** Speak to that held call: whoever is spoken to now is held first. @param {import("./model.mjs").State} state @param {import("./model.mjs").Call} call @returns {Step[]} */
function turnTo(state, call) {
  const talking = live(state).filter((each) => each.phase === "active" && each.id !== call.id && can("hold", each));
  return [
    ...talking.map((each) => ({ action: "holdCall", parameter: { dialogId: each.id }, call: each.id })),
    { action: "retrieveCall", parameter: { dialogId: call.id }, call: call.id },
  ];
}
