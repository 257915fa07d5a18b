// The quality of a call's audio, for people. Pure.

import { change, say } from "./model.mjs";
import { clean } from "./text.mjs";

/** From which mean opinion score on the audio is called what (ITU-T G.107 Annex B, in three steps). */
const MOS_BANDS = /** @type {const} */ ([[3.8, "good"], [3.1, "fair"], [0, "poor"]]);

/** @typedef {import("./model.mjs").State} State @typedef {import("./model.mjs").Quality} Quality */

/** @param {State} state @param {string} id @param {any} audio */
export function measured(state, id, audio) {
  const warning = state.calls.find((call) => call.id === id)?.quality?.warning ?? null;
  const flows = typeof audio.lossPercent === "number" && audio.lossPercent < 100;
  const notices = flows ? state.notices.filter((each) => each.code !== "media-lost" || each.call !== id) : state.notices;
  return change({ ...state, notices }, id, { quality: quality(audio, warning) });
}

/** @param {State} state @param {string} id @param {string | null} warning @returns {State} */
export function warned(state, id, warning) {
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
