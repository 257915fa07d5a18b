// The audio of this page, as far as the desk has to do with it: permission, devices, level, quality, pictures.

import { Media } from "../media.mjs";
import { remember } from "./store.mjs";

const NOT_HERE = /not in pages/;
/** Why there is no microphone, by the browser's error; "busy" is whatever else keeps it from being read. */
const WHY = /** @type {Record<string, "denied" | "missing">} */ ({
  NotAllowedError: "denied", PermissionDeniedError: "denied", SecurityError: "denied", TypeError: "denied",
  NotFoundError: "missing", OverconstrainedError: "missing",
});

export class Audio {
  /** @param {(input: any) => void} send @param {import("../connection.mjs").Connection} connection */
  constructor(send, connection) {
    this._send = send;
    this._media = new Media(connection);
    /** @type {HTMLMeterElement | null} */ this._meter = null;
    this._measures = false;
    /** @type {"unknown" | "none" | "browser"} */ this._kind = "unknown";
    this._missing = false;
    this._listen();
  }

  _listen() {
    const hear = (/** @type {string} */ name, /** @type {(detail: any) => void} */ then) => this._media.addEventListener(name, (event) => then(/** @type {CustomEvent} */ (event).detail));
    hear("audio", ({ held, reason }) => this._holds(held, String(reason ?? "")));
    hear("stats", ({ dialogId, figures }) => dialogId && this._send({ type: "stats", call: dialogId, audio: figures }));
    hear("warning", ({ dialogId, code, on }) => dialogId && this._send({ type: "warning", call: dialogId, warning: on ? code : null }));
    hear("blocked", () => this._change({ blocked: true }));
    hear("unblocked", () => this._change({ blocked: false }));
    hear("relay", () => this._send({ type: "notice", notice: { level: "warning", key: "notice.relay" } }));
    hear("track", ({ dialogId }) => this._send({ type: "call", call: dialogId, change: {} }));
    hear("local", ({ dialogId, kind }) => this._send({ type: "call", call: dialogId, change: { sends: { video: kind === "camera", screenshare: kind === "screen" } } }));
    hear("device", ({ devices, what, problem, replaced }) => {
      if (replaced) this._replaced(what);
      else if (devices && this._missing) void this.allow(); // one was plugged in
      else if (!devices && what === "audio" && !problem) this._send({ type: "notice", notice: { level: "warning", key: "notice.device" } });
      void this._list();
    });
  }

  /** @param {boolean} held @param {string} reason */
  _holds(held, reason) {
    if (held) {
      this._kind = "browser";
      const { mediaDevices } = navigator;
      this._change({ kind: "browser", elsewhere: false, video: Boolean(mediaDevices?.getUserMedia), screen: Boolean(mediaDevices?.getDisplayMedia) });
      void this.allow();
    } else if (NOT_HERE.test(reason)) {
      this._kind = "none";
      this._change({ kind: "none", ready: false, elsewhere: false });
    } else if (reason === "taken over") {
      this._change({ elsewhere: true });
      this._send({ type: "notice", notice: { level: "warning", key: "notice.audioLost" } });
    }
  }

  /** The device that was remembered is not there; the default one is used, and that is said. @param {"audio" | "camera"} what */
  _replaced(what) {
    const forgotten = { [what === "audio" ? "microphone" : "camera"]: "" };
    remember(forgotten);
    this._change(forgotten);
    this._send({ type: "notice", notice: { level: "warning", key: what === "audio" ? "notice.microphoneReplaced" : "notice.cameraReplaced" } });
  }

  /** Nobody is logged in any more. */
  end() {
    this._kind = "unknown";
    this._change({ kind: "unknown", ready: false, denied: false, blocked: false, elsewhere: false, video: false, screen: false });
  }

  /** Have the microphone; whether it is there is told to the desk. */
  async allow() {
    await this.prepare().catch(() => undefined);
  }

  /**
   * Have what a call needs, in the click that asks for it. Rejects with a notice where it is not to be had: the
   * microphone, where this page has the audio of the calls, and what is to be shown.
   * @param {"camera" | "screen" | null} [video]
   */
  async prepare(video = null) {
    if (this._kind === "none") return;
    try {
      await this._media.prepare({ video });
      this._missing = false;
      if (this._kind === "browser") this._change({ ready: true, denied: false });
      await this._list();
    } catch (problem) {
      const { what, cause } = /** @type {any} */ (problem);
      if (what !== "audio") throw { code: "media-device" };
      const why = WHY[cause?.name] ?? "busy";
      this._missing = why === "missing";
      this._change({ ready: false, denied: true, why });
      await this._list();
      if (this._media.held) throw { key: `notice.microphone.${why}` };
    }
  }

  /** Show the camera or the screen in a call, once the gateway has agreed. @param {string} call @param {"camera" | "screen"} what */
  async show(call, what) {
    if (this._media.streams(call)?.shown !== what) await this._media.show(call, what);
  }

  takeOver() {
    this._media.take();
  }

  /** In a click: what the browser held back is played now. */
  async unblock() {
    this._change({ blocked: false });
    await this._media.unblock();
  }

  /** @param {Record<string, any>} change */
  async use(change) {
    this._change(change);
    try {
      await this._media.use(change);
      if (this._kind === "browser" && change.microphone !== undefined) await this.allow();
    } catch {
      this._send({ type: "notice", notice: { level: "error", code: "media-device" } });
    }
  }

  /** What is seen in a call: of the other side, and of ours. @param {string} call */
  streams(call) {
    const found = this._kind === "browser" ? this._media.streams(call) : null;
    if (!found) return null;
    const moving = (/** @type {MediaStream | null} */ stream) => (stream?.getVideoTracks().some((track) => track.readyState === "live" && !track.muted) ? stream : null);
    return { remote: moving(found.remote), local: found.shown ? moving(found.local) : null };
  }

  /** Keep that meter moving as long as it is on the page. @param {HTMLMeterElement} element */
  meter(element) {
    this._meter = element;
    if (this._measures) return;
    this._measures = true;
    const draw = () => {
      if (!this._meter?.isConnected) {
        this._measures = false;
        void this._media.meter(false);
        return;
      }
      this._meter.value = Math.max(-60, Math.min(0, this._media.level(null)));
      requestAnimationFrame(draw);
    };
    this._media.meter(true).then(draw, () => {
      this._measures = false;
    });
  }

  async _list() {
    const named = (/** @type {MediaDeviceInfo[]} */ from) => from.map(({ deviceId, label }) => ({ id: deviceId, label: label || "?" }));
    const lists = await Promise.all([this._media.microphones(), this._media.cameras(), this._media.speakers()]).catch(() => [[], [], []]);
    const [microphones, cameras, speakers] = lists.map(named);
    this._change({ microphones, cameras, speakers });
  }

  /** @param {any} change */
  _change(change) {
    this._send({ type: "media", change });
  }
}
