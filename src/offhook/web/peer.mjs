// One call's RTCPeerConnection: offers and answers as the gateway asks for them, whole (no trickle), and what is sent.

import { DeviceFailed } from "./devices.mjs";
import { decibel, read, Watch } from "./quality.mjs";

/** Milliseconds from the first usable candidate until those that there are have to do. */
const GATHERING_AFTER_FIRST = 500;
const GATHERING_AT_MOST = 4_000;
/** What a TURN server says that will not have us (RFC 8656 §19, RFC 8489 §14.8); others are of the network. */
const REFUSALS = new Set([400, 401, 403, 437, 438, 441, 442, 486, 508]);

/**
 * @typedef {"sendrecv" | "sendonly" | "recvonly" | "inactive"} Direction
 * @typedef {{servers: RTCIceServer[], policy: RTCIceTransportPolicy}} Ice
 * @typedef {{direction: Direction, video: Direction | null, kind: "camera" | "screen", muted: boolean, layout?: string[], ice?: Ice}} Wish
 */

/** A request that could not be done; `code` is one of the engine's. */
export class MediaFailed extends Error {
  /** @param {string} code @param {string} detail */
  constructor(code, detail) {
    super(detail);
    this.name = "MediaFailed";
    this.code = code;
  }
}

/** @param {string | undefined} direction */
const sends = (direction) => direction === "sendrecv" || direction === "sendonly";
/** @param {string | undefined} direction */
const receives = (direction) => direction === "sendrecv" || direction === "recvonly";

/**
 * Whether a candidate line is of use to the other side: a name under `.local` is none to a server.
 * @param {string} candidate @param {RTCIceTransportPolicy} policy
 */
export function usable(candidate, policy) {
  const parts = candidate.split(" ");
  const type = parts[parts.indexOf("typ") + 1];
  if (policy === "relay") return type === "relay";
  return !(parts[4] ?? "").endsWith(".local") && (parts[2] ?? "").toLowerCase() === "udp";
}

/**
 * A description without the candidates that only browsers on this network could use.
 * @param {string} sdp
 */
export function withoutLocalNames(sdp) {
  return sdp.replace(/^a=candidate:[^\r\n]* [^\s]+\.local [^\r\n]*\r?\n/gm, "");
}

/**
 * Events: `connected`, `lost` (detail: why), `track` (detail: the remote stream), `asking` (a person is asked), `relay`
 * (detail: {url, problem}: a TURN server refuses us).
 */
export class Peer extends EventTarget {
  #pc;
  #devices;
  #policy;
  #muted = false;
  /** @type {"camera" | "screen" | null} */ #shown = null;
  /** @type {{direction: Direction, video: Direction | null} | null} */ #before = null;
  #answer = "";
  #up = false;
  #closed = false;
  /** @type {Map<string, string>} */ #refused = new Map();
  /** @type {import("./quality.mjs").Counts | null} */ #counts = null;
  #watch = new Watch();
  /** @type {import("./quality.mjs").Figures | null} */ figures = null;
  remote = new MediaStream();
  /** What of ours is shown, for the page's own picture. */
  local = new MediaStream();

  /** @param {import("./devices.mjs").Devices} devices @param {Ice} ice */
  constructor(devices, ice) {
    super();
    this.#devices = devices;
    this.#policy = ice.policy;
    this.#pc = new RTCPeerConnection(configuration(ice));
    this.#pc.ontrack = ({ track }) => {
      this.remote.addTrack(track);
      this.dispatchEvent(new CustomEvent("track", { detail: track }));
    };
    this.#pc.onconnectionstatechange = () => this.#changed();
    this.#pc.onicecandidateerror = (event) => this.#candidateFailed(event);
  }

  get connection() {
    return this.#pc;
  }

  get muted() {
    return this.#muted;
  }

  /** What is shown at the moment. */
  get shown() {
    return this.#shown;
  }

  get direction() {
    return this.#of("audio")?.currentDirection ?? null;
  }

  /** Numbers of the video as the gateway wants them, where there is or was some. */
  get video() {
    const seen = this.figures?.video;
    const direction = this.#of("video")?.currentDirection;
    return seen ? { ...seen, direction: direction === "stopped" || !direction ? "inactive" : direction, connected: this.#up } : null;
  }

  /** @param {Wish} wish @returns {Promise<string>} */
  async offer(wish) {
    if (this.#pc.signalingState === "have-local-offer") await this.#pc.setLocalDescription({ type: "rollback" });
    this.#remember();
    for (const kind of wish.layout ?? []) {
      if (kind === "audio" || kind === "video") this.#pc.addTransceiver(kind, { direction: "inactive" });
    }
    if (!this.#of("audio")) this.#pc.addTransceiver("audio", { direction: wish.direction });
    if (wish.video && !this.#of("video")) this.#pc.addTransceiver("video", { direction: wish.video });
    await this.#arrange(wish, wish.direction, wish.video ?? "inactive");
    const broken = ["failed", "disconnected"].includes(this.#pc.iceConnectionState);
    if (broken && wish.ice) this.#pc.setConfiguration(configuration(wish.ice)); // the passwords of before may have ended
    await this.#pc.setLocalDescription(await this.#pc.createOffer({ iceRestart: broken }));
    return this.#described();
  }

  /** @param {string} offer @param {Wish} wish @returns {Promise<string>} */
  async answer(offer, wish) {
    this.#remember();
    await this.#take({ type: "offer", sdp: offer });
    const video = this.#of("video");
    if (video && !wish.video && !video.currentDirection) video.stop(); // refused: it never was
    await this.#arrange(wish, wish.direction, wish.video ?? "inactive");
    await this.#pc.setLocalDescription(await this.#pc.createAnswer());
    this.#before = null;
    return this.#described();
  }

  /** @param {string} answer */
  async apply(answer) {
    if (this.#pc.signalingState === "stable") {
      // A second answer to one offer: most often the 200 says what the 183 has said.
      if (withoutOrigin(answer) === withoutOrigin(this.#answer)) return;
      await this.#pc.setLocalDescription(await this.#pc.createOffer());
    }
    await this.#take({ type: "answer", sdp: answer });
    this.#answer = answer;
    this.#before = null;
  }

  /** The last offer was refused. */
  async rollback() {
    if (this.#pc.signalingState !== "have-local-offer") return;
    await this.#pc.setLocalDescription({ type: "rollback" });
    const before = this.#before;
    if (!before) return;
    this.#before = null;
    const audio = this.#of("audio");
    if (audio) audio.direction = before.direction;
    const video = this.#of("video");
    if (video) video.direction = before.video ?? "inactive";
    if (!sends(before.video ?? undefined)) await this.#show(null);
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.#muted = muted;
    const track = this.#of("audio")?.sender.track;
    if (track) track.enabled = !muted;
  }

  /** @param {string} digits @param {number} duration @param {number} gap milliseconds @returns {Promise<void>} */
  digits(digits, duration, gap) {
    const dtmf = this.#of("audio")?.sender.dtmf;
    if (!dtmf?.canInsertDTMF) throw new MediaFailed("unsupported", "The other side takes no digits in the audio.");
    return new Promise((resolve) => {
      dtmf.ontonechange = ({ tone }) => {
        if (tone === "") {
          dtmf.ontonechange = null;
          resolve();
        }
      };
      dtmf.insertDTMF(digits, Math.min(Math.max(duration, 40), 6000), Math.max(gap, 30));
    });
  }

  /** Another device, or the same again: what goes out is changed without a word to the other side. @param {"audio" | "camera" | "screen"} kind */
  async replace(kind) {
    if (kind === "audio") {
      const audio = this.#of("audio");
      if (audio?.sender.track) await this.#speak(audio);
    } else if (this.#shown) {
      await this.#show(kind, true);
    }
  }

  /** What the browser counts now, and the warnings that come or go. */
  async look() {
    const before = this.#counts;
    const report = await this.#pc.getStats();
    const { figures, counts } = read(/** @type {any} */ (report).values(), before);
    this.figures = figures;
    this.#counts = counts;
    const direction = this.direction ?? undefined;
    const path = { sends: this.#up && sends(direction) && !this.#muted, receives: this.#up && receives(direction) };
    return { figures, warnings: this.#watch.look(figures, counts, before, path) };
  }

  /** Loudness of the other side in dBov: of this moment where its packets say so (RFC 6464), else of the last second. */
  get level() {
    const said = this.#of("audio")?.receiver.getSynchronizationSources()[0]?.audioLevel;
    return said === undefined ? (this.figures?.levelInDb ?? -127) : decibel(said);
  }

  close() {
    this.#closed = true;
    for (const { sender } of this.#pc.getTransceivers()) sender.track?.stop();
    this.#pc.close();
    this.remote.getTracks().forEach((track) => this.remote.removeTrack(track));
  }

  /** @param {"audio" | "video"} kind */
  #of(kind) {
    return this.#pc.getTransceivers().find((each) => each.receiver.track.kind === kind && each.direction !== "stopped");
  }

  #remember() {
    const audio = this.#of("audio");
    const video = this.#of("video");
    this.#before = audio ? { direction: /** @type {Direction} */ (audio.direction), video: /** @type {Direction | null} */ (video?.direction ?? null) } : null;
  }

  /** @param {RTCSessionDescriptionInit} description */
  async #take(description) {
    try {
      await this.#pc.setRemoteDescription(description);
    } catch (problem) {
      throw new MediaFailed("bad-sdp", problem instanceof Error ? problem.message : String(problem));
    }
  }

  /** @param {Wish} wish @param {Direction} direction @param {Direction} show */
  async #arrange(wish, direction, show) {
    this.#muted = wish.muted;
    const audio = this.#of("audio");
    if (!audio) throw new MediaFailed("no-common-codec", "The other side has no audio.");
    audio.direction = direction;
    // Also for who only listens: without the permission Chromium hides its addresses, and nothing can be heard.
    const ready = this.#devices.has("audio") ? null : setTimeout(() => this.dispatchEvent(new Event("asking")), 1_000);
    try {
      if (sends(direction) || !this.#up) await this.#speak(audio);
    } finally {
      if (ready !== null) clearTimeout(ready);
    }
    const video = this.#of("video");
    if (!video) return;
    video.direction = show;
    await this.#show(sends(show) ? wish.kind : null);
  }

  /** @param {RTCRtpTransceiver} audio */
  async #speak(audio) {
    const track = (await this.#devices.track("audio")).clone();
    if (this.#closed) {
      track.stop();
      throw new MediaFailed("closed", "The call is over.");
    }
    track.enabled = !this.#muted;
    const old = audio.sender.track;
    await audio.sender.replaceTrack(track);
    old?.stop();
  }

  /** @param {"camera" | "screen" | null} kind @param {boolean} [anew] */
  async #show(kind, anew = false) {
    const video = this.#of("video");
    if (!video || (kind === this.#shown && !anew)) return;
    const track = kind ? (await this.#devices.track(kind)).clone() : null;
    const old = video.sender.track;
    await video.sender.replaceTrack(track);
    old?.stop();
    for (const each of this.local.getTracks()) this.local.removeTrack(each);
    if (track) this.local.addTrack(track);
    this.#shown = kind;
    this.dispatchEvent(new CustomEvent("shown", { detail: kind }));
  }

  async #described() {
    await this.#gathered();
    const sdp = this.#pc.localDescription?.sdp;
    if (!sdp) throw new MediaFailed("closed", "The call is over.");
    const clean = withoutLocalNames(sdp);
    if (this.#policy === "relay" && !/^a=candidate:/m.test(clean)) throw new MediaFailed("no-relay", this.#noRelay());
    // Rather names that may lead nowhere than nothing at all.
    return /^a=candidate:/m.test(clean) ? clean : sdp;
  }

  /** @returns {Promise<void>} */
  #gathered() {
    const pc = this.#pc;
    return new Promise((resolve) => {
      /** @type {number | undefined} */ let soon;
      const done = () => {
        clearTimeout(soon);
        clearTimeout(late);
        pc.removeEventListener("icecandidate", candidate);
        pc.removeEventListener("icegatheringstatechange", state);
        resolve();
      };
      const found = (/** @type {string} */ line) => {
        if (soon === undefined && usable(line, this.#policy)) soon = setTimeout(done, GATHERING_AFTER_FIRST);
      };
      const candidate = (/** @type {RTCPeerConnectionIceEvent} */ event) => found(event.candidate?.candidate ?? "typ none");
      const state = () => {
        if (pc.iceGatheringState === "complete" || pc.signalingState === "closed") done();
      };
      const late = setTimeout(done, GATHERING_AT_MOST);
      pc.addEventListener("icecandidate", candidate);
      pc.addEventListener("icegatheringstatechange", state);
      const sdp = pc.localDescription?.sdp ?? "";
      for (const [, line] of sdp.matchAll(/^a=(candidate:[^\r\n]*)/gm)) found(line);
      // A new section is gathered for, though the state still says that all was complete before it.
      const sections = sdp.split(/^m=/m).slice(1);
      if (sections.every((section) => /^\w+ 0 /.test(section) || section.includes("a=candidate:"))) state();
    });
  }

  /** @param {RTCPeerConnectionIceErrorEvent} event */
  #candidateFailed({ url, errorCode, errorText }) {
    if (!url.startsWith("turn") || !REFUSALS.has(errorCode) || this.#refused.has(url)) return;
    const said = `${errorCode} ${errorText}`.trim();
    const problem = `The audio relay ${url} refused this page (${said}). Tell who runs the gateway: its turn_secret is not the relay's, or a clock is wrong, or the relay is full.`;
    this.#refused.set(url, problem);
    this.dispatchEvent(new CustomEvent("relay", { detail: { url, problem } }));
  }

  /** Why there is nothing to offer where all must go by a relay. */
  #noRelay() {
    const [refusal] = this.#refused.values();
    return refusal ?? "No audio relay (TURN server) answers, and the audio may go no other way. This network may not let it through: tell who runs the gateway.";
  }

  #changed() {
    const state = this.#pc.connectionState;
    if (state === "connected" && !this.#up) {
      this.#up = true;
      this.dispatchEvent(new Event("connected"));
    } else if (state === "failed") {
      this.#up = false;
      this.dispatchEvent(new CustomEvent("lost", { detail: "The audio path failed: no packets get through." }));
    }
  }
}

/** @param {Ice} ice @returns {RTCConfiguration} */
function configuration({ servers, policy }) {
  return { iceServers: servers, iceTransportPolicy: policy, bundlePolicy: "balanced", rtcpMuxPolicy: "require" };
}

/** @param {string} sdp */
function withoutOrigin(sdp) {
  return sdp.replace(/^o=.*$/m, "");
}

/** What is told of a problem: a code of the engine, and a sentence. @param {unknown} problem */
export function toldOf(problem) {
  if (problem instanceof MediaFailed) return { code: problem.code, detail: problem.message };
  if (problem instanceof DeviceFailed) return { code: "device", detail: problem.message };
  return { code: "internal", detail: problem instanceof Error ? `${problem.name}: ${problem.message}` : String(problem) };
}
