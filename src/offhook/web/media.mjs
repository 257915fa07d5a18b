// The audio (and video) of an agent's calls in this page, as the gateway asks for it: engine `browser`.

import { Devices, DeviceFailed } from "./devices.mjs";
import { MediaFailed, Peer, toldOf } from "./peer.mjs";
import { decibel } from "./quality.mjs";

export { DeviceFailed };

/** @typedef {{peer: Peer, dialog: string | null, audio: HTMLAudioElement, work: Promise<void>}} Line */

/**
 * Events:
 * `audio` (detail: {held, reason, holder}): whether this page has the agent's audio; `reason` where it has not, and `holder`
 * ({page, since}: its title, and since when in milliseconds of 1970) where another has it;
 * `stats` (detail: {dialogId, figures}), each second; `warning` (detail: {dialogId, code, on, value});
 * `device` (detail: {what, problem}, {what, replaced: true} or {devices: true}): one is missing or ended; the chosen one is not
 * there, and the default is used; or the list has changed;
 * `blocked` (the browser plays nothing before a click or key; the next one anywhere in the page, or `unblock` in one, brings the
 * audio), `unblocked` (it plays); `relay` (detail: {dialogId, url, problem}): a TURN server refuses us; `track` (detail: {dialogId, stream, kind});
 * `local` (detail: {dialogId, stream, kind}): what of ours is shown.
 */
export class Media extends EventTarget {
  #connection;
  #devices = new Devices();
  /** @type {Map<string, Line>} */ #lines = new Map();
  /** @type {import("./peer.mjs").Ice} */ #ice = { servers: [], policy: "all" };
  #given;
  #audioElement;
  #polite;
  #held = false;
  #video = false;
  #speaker = "";
  #blocked = false;
  #heal = () => void this.unblock();
  /** @type {{context: AudioContext, analyser: AnalyserNode, track: MediaStreamTrack} | null} */ #meter = null;

  /**
   * @param {import("./connection.mjs").Connection} connection
   * @param {{ice?: import("./peer.mjs").Ice, audioElement?: HTMLMediaElement | null | (() => HTMLMediaElement | null), polite?: boolean}} [options]
   *   `ice` in place of the gateway's; `audioElement` (or what gives it) plays what is heard, in place of our own; `polite`: the
   *   audio is not taken from another page by itself, only by `take`.
   */
  constructor(connection, { ice, audioElement = null, polite = false } = {}) {
    super();
    this.#connection = connection;
    this.#given = ice;
    this.#audioElement = audioElement;
    this.#polite = polite;
    connection.addEventListener("media", (event) => this.#receive(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener("message", (event) => {
      const { event: name, response } = /** @type {CustomEvent} */ (event).detail;
      if (name === "agentInfo" && response.state === "LOGIN") this.#hello(this.#polite);
      if (name === "agentInfo" && response.state === "LOGOUT") this.#drop("logged out");
    });
    connection.addEventListener("state", (event) => {
      const state = /** @type {CustomEvent} */ (event).detail;
      if (state === "open" && connection.extension && (this.#held || this.#lines.size)) this.#hello(false);
      if (state === "closed") this.#drop("closed");
    });
    this.#devices.addEventListener("changed", () => this.dispatchEvent(new CustomEvent("device", { detail: { devices: true } })));
    this.#devices.addEventListener("replaced", (event) => this.dispatchEvent(new CustomEvent("device", { detail: { what: /** @type {CustomEvent} */ (event).detail, replaced: true } })));
    this.#devices.addEventListener("ended", (event) => void this.#ended(/** @type {CustomEvent} */ (event).detail));
    setInterval(() => void this.#look(), 1000);
    if (connection.extension) this.#hello(polite);
  }

  get #element() {
    return typeof this.#audioElement === "function" ? this.#audioElement() : this.#audioElement;
  }

  /** Whether this page has the agent's audio. */
  get held() {
    return this.#held;
  }

  /** Take the audio, from another page too. */
  take() {
    this.#hello(false);
  }

  /**
   * Ask for the microphone (and camera, or screen) now: to be called in a click, before the command that needs it.
   * Rejects with `DeviceFailed`.
   * @param {{video?: boolean | "camera" | "screen" | null, audio?: boolean}} [wish]
   */
  async prepare({ video = null, audio = true } = {}) {
    const kind = video === true ? "camera" : video;
    // Both are begun at once: the screen must be asked for in the click itself.
    const asked = [...(kind ? [this.#devices.track(kind)] : []), ...(audio ? [this.#devices.track("audio")] : [])];
    if (kind) this.#video = true;
    const outcomes = await Promise.allSettled(asked);
    void this.unblock();
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        this.dispatchEvent(new CustomEvent("device", { detail: { what: outcome.reason.what, problem: outcome.reason } }));
        throw outcome.reason;
      }
    }
  }

  microphones() {
    return this.#devices.list("audioinput");
  }

  cameras() {
    return this.#devices.list("videoinput");
  }

  speakers() {
    return this.#devices.list("audiooutput");
  }

  /**
   * Other devices, from now on and in calls under way. `processing`: whether the browser cancels echo and noise.
   * @param {{microphone?: string, camera?: string, speaker?: string, processing?: boolean}} choice
   */
  async use({ microphone, camera, speaker, processing }) {
    const chosen = this.#devices.chosen;
    if (processing !== undefined) chosen.processing = processing;
    if (microphone !== undefined) chosen.microphone = microphone;
    if (camera !== undefined) chosen.camera = camera;
    if (microphone !== undefined || processing !== undefined) await this.#change("audio");
    if (camera !== undefined) await this.#change("camera");
    if (speaker !== undefined) {
      this.#speaker = speaker;
      await Promise.all([...this.#lines.values()].map((line) => this.#route(line.audio)));
      if (this.#element) await this.#route(this.#element);
    }
  }

  /** What a call that shows something is to show instead: the camera or the screen. @param {string} dialog @param {"camera" | "screen"} kind */
  async show(dialog, kind) {
    await this.#line(dialog)?.peer.replace(kind);
  }

  /** Loudness now, in dBov (-127 is silence): of the microphone (null), or of what is heard in a call. @param {string | null} dialog */
  level(dialog) {
    if (dialog !== null) return this.#line(dialog)?.peer.level ?? -127;
    return this.#meter ? decibel(loudness(this.#meter.analyser)) : -127;
  }

  /** Measure the microphone from now on, for `level(null)`; in a click. @param {boolean} on */
  async meter(on) {
    const old = this.#meter;
    this.#meter = null;
    old?.track.stop();
    await old?.context.close();
    if (!on) return;
    const track = (await this.#devices.track("audio")).clone();
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    this.#meter = { context, analyser, track };
  }

  /** The newest figures of a call. @param {string} dialog */
  stats(dialog) {
    return this.#line(dialog)?.peer.figures ?? null;
  }

  /** What is heard and seen in a call, and what of ours is shown. @param {string} dialog */
  streams(dialog) {
    const line = this.#line(dialog);
    return line ? { remote: line.peer.remote, local: line.peer.local, shown: line.peer.shown } : null;
  }

  /** For tests and the curious. @param {string} dialog */
  peer(dialog) {
    return this.#line(dialog)?.peer ?? null;
  }

  /** Play what the browser would not before: in a click. */
  async unblock() {
    const was = this.#blocked;
    this.#block(false);
    const elements = [...[...this.#lines.values()].map((line) => line.audio), ...(this.#element ? [this.#element] : [])];
    await Promise.all(elements.filter((each) => each.srcObject && each.paused).map((each) => this.#play(each)));
    if (was && !this.#blocked) this.dispatchEvent(new Event("unblocked"));
  }

  /** @param {boolean} blocked */
  #block(blocked) {
    this.#blocked = blocked;
    for (const gesture of ["click", "keydown"]) {
      if (blocked) document.addEventListener(gesture, this.#heal, true);
      else document.removeEventListener(gesture, this.#heal, true);
    }
  }

  /** @param {boolean} polite */
  #hello(polite) {
    this.#connection.sendMedia({ hello: { audio: true, video: true, polite, page: document.title.slice(0, 100), media: [...this.#lines.keys()] } });
  }

  /** @param {any} said */
  #receive(said) {
    if (said.hello) {
      this.#ice = this.#given ?? said.hello.ice ?? this.#ice;
      this.#hold(true, null);
    } else if (said.lost !== undefined) {
      this.#drop(said.lost, said.holder ?? null);
    } else if (said.request) {
      this.#request(said);
    }
  }

  /** @param {any} asked */
  #request(asked) {
    const known = this.#lines.get(asked.media);
    if (asked.request === "close") {
      if (known) this.#close(asked.media, known);
      return;
    }
    const line = known ?? (asked.request === "createOffer" || asked.request === "createAnswer" ? this.#open(asked) : null);
    if (!line) {
      if (asked.id) this.#say({ event: "failed", id: asked.id, media: asked.media, code: "unknown-media", detail: "This page does not have the call." });
      return;
    }
    if (asked.dialogId) line.dialog = asked.dialogId;
    if (asked.request === "setMuted") {
      line.peer.mute(asked.muted); // at once: who mutes is not to be heard while something else is under way
      return;
    }
    // One after the other, as in signalling.
    line.work = line.work.then(() => this.#perform(line, asked)).catch(() => undefined);
  }

  /** @param {Line} line @param {any} asked */
  async #perform(line, asked) {
    const asking = () => this.#say({ event: "asking", id: asked.id, media: asked.media });
    line.peer.addEventListener("asking", asking);
    try {
      const outcome = await this.#outcome(line.peer, asked);
      if (outcome) this.#say({ ...outcome, id: asked.id, media: asked.media });
    } catch (problem) {
      if (problem instanceof DeviceFailed) this.dispatchEvent(new CustomEvent("device", { detail: { what: problem.what, problem } }));
      if (asked.id) this.#say({ event: "failed", id: asked.id, media: asked.media, ...toldOf(problem) });
    } finally {
      line.peer.removeEventListener("asking", asking);
    }
  }

  /** @param {Peer} peer @param {any} asked @returns {Promise<any>} */
  async #outcome(peer, asked) {
    switch (asked.request) {
      case "createOffer":
        return { event: "offerCreated", sdp: await peer.offer({ ...asked, ice: this.#given ?? asked.ice }) };
      case "createAnswer":
        return { event: "answerCreated", sdp: await peer.answer(asked.sdp, asked) };
      case "applyAnswer":
        await peer.apply(asked.sdp);
        return { event: "answerApplied" };
      case "rollback":
        await peer.rollback();
        return null;
      case "sendDigits":
        await peer.digits(asked.digits, asked.durationMs, asked.gapMs);
        return { event: "digitsSent" };
      case "getStats": {
        const { codec, packetsSent, packetsReceived, packetsLost, jitterMs, roundTripMs, mos, levelInDb, levelOutDb } = peer.figures ?? (await peer.look()).figures;
        return { event: "stats", audio: { codec, packetsSent, packetsReceived, packetsLost, jitterMs, roundTripMs, mos, levelInDb, levelOutDb }, video: peer.video };
      }
      default:
        throw new MediaFailed("unsupported", `This page does not know ${asked.request}.`);
    }
  }

  /** @param {any} asked */
  #open({ media, dialogId, ice }) {
    const peer = new Peer(this.#devices, this.#given ?? ice ?? this.#ice);
    const audio = new Audio();
    audio.autoplay = true;
    /** @type {Line} */ const line = { peer, dialog: dialogId ?? null, audio, work: Promise.resolve() };
    this.#lines.set(media, line);
    peer.addEventListener("connected", () => {
      this.#say({ event: "connected", media });
      this.#hear(line);
    });
    peer.addEventListener("lost", (event) => this.#say({ event: "lost", media, detail: /** @type {CustomEvent} */ (event).detail }));
    peer.addEventListener("relay", (event) => {
      const { url, problem } = /** @type {CustomEvent} */ (event).detail;
      console.warn(`offhook: ${problem}`);
      this.dispatchEvent(new CustomEvent("relay", { detail: { dialogId: line.dialog, url, problem } }));
    });
    peer.addEventListener("track", (event) => {
      this.#hear(line);
      this.dispatchEvent(new CustomEvent("track", { detail: { dialogId: line.dialog, stream: peer.remote, kind: /** @type {CustomEvent} */ (event).detail.kind } }));
    });
    peer.addEventListener("shown", (event) => {
      this.dispatchEvent(new CustomEvent("local", { detail: { dialogId: line.dialog, stream: peer.local, kind: /** @type {CustomEvent} */ (event).detail } }));
      this.#release();
    });
    return line;
  }

  /** @param {Line} line */
  #hear(line) {
    const element = this.#element ?? line.audio;
    if (element.srcObject !== line.peer.remote) element.srcObject = line.peer.remote;
    void this.#route(element);
    void this.#play(element);
  }

  /** @param {HTMLMediaElement} element */
  async #play(element) {
    try {
      await element.play();
    } catch (problem) {
      if (problem instanceof DOMException && problem.name === "NotAllowedError" && !this.#blocked) {
        this.#block(true);
        this.dispatchEvent(new Event("blocked"));
      }
    }
  }

  /** @param {HTMLMediaElement} element */
  async #route(element) {
    const routed = /** @type {any} */ (element);
    if (!routed.setSinkId || (routed.sinkId ?? "") === this.#speaker) return;
    try {
      await routed.setSinkId(this.#speaker);
    } catch (problem) {
      this.dispatchEvent(new CustomEvent("device", { detail: { what: "speaker", problem } }));
    }
  }

  /** @param {"audio" | "camera"} kind */
  async #change(kind) {
    if (!this.#devices.has(kind)) return;
    this.#devices.release(kind);
    try {
      await this.#devices.track(kind);
      const lines = [...this.#lines.values()].filter(({ peer }) => kind === "audio" || peer.shown === kind);
      await Promise.all(lines.map(({ peer }) => peer.replace(kind)));
    } catch (problem) {
      this.dispatchEvent(new CustomEvent("device", { detail: { what: kind, problem } }));
      throw problem;
    }
  }

  /** A device in use is gone: another one takes its place, if there is one. @param {"audio" | "camera" | "screen"} kind */
  async #ended(kind) {
    this.dispatchEvent(new CustomEvent("device", { detail: { what: kind, problem: null } }));
    if (kind === "screen") return;
    if (kind === "audio") delete this.#devices.chosen.microphone;
    else delete this.#devices.chosen.camera;
    const lines = [...this.#lines.values()].filter(({ peer }) => kind === "audio" || peer.shown === kind);
    if (lines.length) await Promise.all(lines.map(({ peer }) => peer.replace(kind))).catch((problem) => this.dispatchEvent(new CustomEvent("device", { detail: { what: kind, problem } })));
  }

  async #look() {
    for (const { peer, dialog } of [...this.#lines.values()]) {
      const { figures, warnings } = await peer.look().catch(() => ({ figures: null, warnings: [] }));
      if (!figures) continue;
      this.dispatchEvent(new CustomEvent("stats", { detail: { dialogId: dialog, figures } }));
      for (const warning of warnings) this.dispatchEvent(new CustomEvent("warning", { detail: { dialogId: dialog, ...warning } }));
    }
  }

  /** @param {string} dialog */
  #line(dialog) {
    return [...this.#lines.values()].find((line) => line.dialog === dialog) ?? null;
  }

  /** @param {string} media @param {Line} line */
  #close(media, line) {
    this.#lines.delete(media);
    line.peer.close();
    line.audio.srcObject = null;
    if (this.#element?.srcObject === line.peer.remote) {
      const next = [...this.#lines.values()].pop();
      this.#element.srcObject = next ? next.peer.remote : null;
    }
    this.#release();
  }

  /** Camera and screen are let go when no call shows them. */
  #release() {
    for (const kind of /** @type {const} */ (["camera", "screen"])) {
      const shown = [...this.#lines.values()].some(({ peer }) => peer.shown === kind);
      if (!shown && this.#devices.has(kind) && this.#video) this.#devices.release(kind);
    }
    if (!this.#lines.size) this.#video = false;
  }

  /** @param {string} reason @param {{page: string, since: number} | null} [holder] */
  #drop(reason, holder = null) {
    for (const [media, line] of [...this.#lines]) this.#close(media, line);
    this.#hold(false, reason, holder);
  }

  /** @param {boolean} held @param {string | null} reason @param {{page: string, since: number} | null} [holder] */
  #hold(held, reason, holder = null) {
    this.#held = held;
    this.dispatchEvent(new CustomEvent("audio", { detail: { held, reason, holder } }));
  }

  /** @param {Record<string, any>} said */
  #say(said) {
    this.#connection.sendMedia(said);
  }
}

/** @param {AnalyserNode} analyser */
function loudness(analyser) {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  return Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
}
