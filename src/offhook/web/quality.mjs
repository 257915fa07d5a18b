// How good a call is, from what the browser counts. Pure.

/**
 * @typedef {{codec: string | null, packetsSent: number | null, packetsReceived: number | null, packetsLost: number | null,
 *   jitterMs: number | null, roundTripMs: number | null, mos: number | null, levelInDb: number | null,
 *   levelOutDb: number | null, lossPercent: number | null, framesReceived: number | null, framesSent: number | null,
 *   delayMs: number | null, path: "host" | "srflx" | "prflx" | "relay" | null, video: Picture | null}} Figures
 * @typedef {{codec: string, framesSent: number, keyFramesSent: number, framesReceived: number, framesDropped: number,
 *   freezes: number, frozenMs: number, packetsSent: number, packetsReceived: number, packetsLost: number,
 *   keyFramesAsked: number, width: number | null, height: number | null}} Picture
 * @typedef {"mos" | "loss" | "jitter" | "round-trip" | "silence-in" | "silence-out"} Warning
 * @typedef {{received: number, lost: number, concealed: number, samples: number, energyIn: number, delay: number,
 *   emitted: number, energyOut: number}} Counts
 */

/** Limits of the warnings. */
export const LIMITS = Object.freeze({ mos: 3.5, lossPercent: 3, jitterMs: 30, roundTripMs: 300, silence: 10 });

/** Equipment impairment and robustness to loss (ITU-T G.113 appendix I; for Opus as G.711, a little less robust). */
const IMPAIRMENT = /** @type {Record<string, [number, number]>} */ ({ opus: [0, 20], pcmu: [0, 25.1], pcma: [0, 25.1] });

/**
 * Mean opinion score, 1.0 to 4.5, of what is received: the E-model of ITU-T G.107 with its default values.
 * @param {string} codec @param {number} loss share of packets not played, 0 to 1 @param {number} delay one way, seconds
 */
export function mos(codec, loss, delay) {
  const [equipment, robustness] = IMPAIRMENT[codec.toLowerCase()] ?? [0, 25.1];
  const percent = 100 * Math.min(Math.max(loss, 0), 1);
  const effective = equipment + ((95 - equipment) * percent) / (percent + robustness);
  const milliseconds = 1000 * Math.max(delay, 0);
  const late = 0.024 * milliseconds + 0.11 * Math.max(0, milliseconds - 177.3);
  const rating = 93.2 - effective - late;
  if (rating <= 0) return 1;
  return Math.min(Math.max(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1), 4.5);
}

/** A level of 0 to 1 in dBov, as the gateway has it: 0 loudest, -127 digital silence. @param {number} level */
export function decibel(level) {
  return level > 0 ? Math.max(-127, 20 * Math.log10(level)) : -127;
}

/**
 * The figures of a call, from the browser's report and what was counted a second before.
 * @param {Iterable<any>} report @param {Counts | null} before @returns {{figures: Figures, counts: Counts}}
 */
export function read(report, before) {
  const rows = [...report];
  const find = (/** @type {string} */ type, kind = "audio") => rows.find((row) => row.type === type && row.kind === kind);
  const inbound = find("inbound-rtp");
  const outbound = find("outbound-rtp");
  const remote = find("remote-inbound-rtp");
  const source = find("media-source");
  const pair = rows.find((row) => row.type === "candidate-pair" && row.nominated && row.currentRoundTripTime !== undefined);
  const codec = rows.find((row) => row.id === (inbound ?? outbound)?.codecId);
  const name = codec ? String(codec.mimeType).split("/")[1].toLowerCase() : null;
  const counts = {
    received: inbound?.packetsReceived ?? 0,
    lost: inbound?.packetsLost ?? 0,
    concealed: (inbound?.concealedSamples ?? 0) - (inbound?.silentConcealedSamples ?? 0),
    samples: inbound?.totalSamplesReceived ?? 0,
    energyIn: inbound?.totalAudioEnergy ?? 0,
    delay: inbound?.jitterBufferDelay ?? 0,
    emitted: inbound?.jitterBufferEmittedCount ?? 0,
    energyOut: source?.totalAudioEnergy ?? 0,
  };
  const then = before ?? counts;
  const came = counts.received - then.received;
  const lost = Math.max(0, counts.lost - then.lost);
  const samples = counts.samples - then.samples;
  const share = Math.max(came + lost > 0 ? lost / (came + lost) : 0, samples > 0 ? (counts.concealed - then.concealed) / samples : 0);
  const trip = remote?.roundTripTime ?? pair?.currentRoundTripTime ?? null;
  const emitted = counts.emitted - then.emitted;
  const buffer = emitted > 0 ? (counts.delay - then.delay) / emitted : 0;
  const delay = (trip ?? 0) / 2 + buffer;
  const figures = {
    codec: name,
    packetsSent: outbound?.packetsSent ?? null,
    packetsReceived: inbound?.packetsReceived ?? null,
    packetsLost: inbound?.packetsLost ?? null,
    jitterMs: inbound?.jitter === undefined ? null : inbound.jitter * 1000,
    roundTripMs: trip === null ? null : trip * 1000,
    mos: before && came + lost > 0 ? mos(name ?? "", share, delay) : null,
    levelInDb: inbound?.audioLevel === undefined ? null : decibel(inbound.audioLevel),
    levelOutDb: source?.audioLevel === undefined ? null : decibel(source.audioLevel),
    lossPercent: before && came + lost > 0 ? share * 100 : null,
    delayMs: before ? delay * 1000 : null,
    framesReceived: find("inbound-rtp", "video")?.framesDecoded ?? null,
    framesSent: find("outbound-rtp", "video")?.framesEncoded ?? null,
    path: pathOf(rows),
    video: picture(rows, find("inbound-rtp", "video"), find("outbound-rtp", "video")),
  };
  return { figures, counts };
}

/** By which kind of candidate of ours the media goes. @param {any[]} rows @returns {Figures["path"]} */
function pathOf(rows) {
  const byId = (/** @type {string | undefined} */ id) => rows.find((row) => row.id === id);
  const pair = byId(rows.find((row) => row.type === "transport" && row.selectedCandidatePairId)?.selectedCandidatePairId);
  return byId(pair?.localCandidateId)?.candidateType ?? null;
}

/** Of the video, where there is or was some; width and height are of what is received. @param {any[]} rows @param {any} inbound @param {any} outbound @returns {Picture | null} */
function picture(rows, inbound, outbound) {
  if (!inbound && !outbound) return null;
  const codec = rows.find((row) => row.id === (inbound?.codecId ?? outbound?.codecId));
  return {
    codec: codec ? String(codec.mimeType).split("/")[1].toUpperCase() : "",
    framesSent: outbound?.framesEncoded ?? 0,
    keyFramesSent: outbound?.keyFramesEncoded ?? 0,
    framesReceived: inbound?.framesDecoded ?? 0,
    framesDropped: inbound?.framesDropped ?? 0,
    freezes: inbound?.freezeCount ?? 0,
    frozenMs: Math.round(1000 * (inbound?.totalFreezesDuration ?? 0)),
    packetsSent: outbound?.packetsSent ?? 0,
    packetsReceived: inbound?.packetsReceived ?? 0,
    packetsLost: Math.max(0, inbound?.packetsLost ?? 0),
    keyFramesAsked: inbound?.pliCount ?? 0,
    width: inbound?.frameWidth ?? null,
    height: inbound?.frameHeight ?? null,
  };
}

/** Which warnings hold for a call, told as they come and go. A value must be bad for three seconds, or good for three. */
export class Watch {
  /** @type {Map<Warning, {bad: number, good: number, on: boolean}>} */ #seen = new Map();
  #quietIn = 0;
  #quietOut = 0;

  /**
   * @param {Figures} figures @param {Counts} counts @param {Counts | null} before
   * @param {{sends: boolean, receives: boolean}} path what is meant to flow
   * @returns {{code: Warning, on: boolean, value: number | null}[]}
   */
  look(figures, counts, before, path) {
    const told = /** @type {{code: Warning, on: boolean, value: number | null}[]} */ ([]);
    const judge = (/** @type {Warning} */ code, /** @type {number | null} */ value, /** @type {boolean} */ bad, seconds = 3) => {
      const row = this.#seen.get(code) ?? { bad: 0, good: 0, on: false };
      this.#seen.set(code, row);
      row.bad = bad ? row.bad + 1 : 0;
      row.good = bad ? 0 : row.good + 1;
      if (row.on ? row.good >= Math.min(3, seconds) : row.bad >= seconds) {
        row.on = !row.on;
        told.push({ code, on: row.on, value });
      }
    };
    const below = (/** @type {number | null} */ value, /** @type {number} */ limit) => value !== null && value < limit;
    const above = (/** @type {number | null} */ value, /** @type {number} */ limit) => value !== null && value > limit;
    judge("mos", figures.mos, path.receives && below(figures.mos, LIMITS.mos));
    judge("loss", figures.lossPercent, path.receives && above(figures.lossPercent, LIMITS.lossPercent));
    judge("jitter", figures.jitterMs, path.receives && above(figures.jitterMs, LIMITS.jitterMs));
    judge("round-trip", figures.roundTripMs, above(figures.roundTripMs, LIMITS.roundTripMs));
    // Energy, not level: a pause between words is no silence. A line that is open is never without any for ten seconds.
    this.#quietIn = path.receives && before && counts.energyIn <= before.energyIn ? this.#quietIn + 1 : 0;
    this.#quietOut = path.sends && before && counts.energyOut <= before.energyOut ? this.#quietOut + 1 : 0;
    judge("silence-in", this.#quietIn, this.#quietIn >= LIMITS.silence, 1);
    judge("silence-out", this.#quietOut, this.#quietOut >= LIMITS.silence, 1);
    return told;
  }
}
