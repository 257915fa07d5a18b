// The microphone, camera and screen of this page, acquired once and shared by all calls; and what is said if they are not.

/** What the reference says about each error of the browser (RB §3.18), and what a person can do. */
const REASONS = /** @type {Record<string, [string, string]>} */ ({
  NotAllowedError: ["Permisssion Deined !!", "Access to {what} is denied. Please enable it in your browser settings."],
  PermissionDeniedError: ["Permisssion Deined !!", "Access to {what} is denied. Please enable it in your browser settings."],
  NotFoundError: ["Device not found", "There is no {what} device. Connect one and try again."],
  NotReadableError: ["Device in use", "The {what} device cannot be read. Another program may be using it."],
  OverconstrainedError: ["Device not suitable", "The {what} device that was chosen is not there, or cannot do what is asked of it."],
  SecurityError: ["Not allowed here", "This page may not use {what}: it must be served over https, and not be kept from it by its frame."],
  AbortError: ["Device failed", "The {what} device failed. Try again."],
  TypeError: ["Not available", "This browser gives no access to {what} here: the page must be served over https."],
});

/** A device that could not be had. `reason` is the reference's short text. */
export class DeviceFailed extends Error {
  /** @param {unknown} problem @param {"audio" | "video" | "Screen-share"} what */
  constructor(problem, what) {
    const name = problem instanceof Error || problem instanceof DOMException ? problem.name : "";
    const [reason, text] = REASONS[name] ?? ["Unknown", "The {what} device cannot be used."];
    super(text.replaceAll("{what}", what));
    this.name = "DeviceFailed";
    this.code = "device";
    this.reason = reason;
    this.cause = problem;
    this.what = what;
  }
}

/** Why a device that was chosen is not had: it is not there. */
const ABSENT = new Set(["OverconstrainedError", "NotFoundError"]);

/** Events: `changed` (devices came or went), `replaced` (detail: "audio" | "camera": the chosen one is not there, the default is used), `ended` (detail: "audio" | "camera" | "screen": one in use is gone). */
export class Devices extends EventTarget {
  /** @type {Map<string, Promise<MediaStreamTrack>>} */ #tracks = new Map();
  /** @type {{microphone?: string, camera?: string, processing?: boolean}} */ chosen = {};

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.dispatchEvent(new Event("changed")));
  }

  /**
   * A track to clone from; asks for permission where it has to. Raises `DeviceFailed`.
   * @param {"audio" | "camera" | "screen"} kind @returns {Promise<MediaStreamTrack>}
   */
  async track(kind) {
    const known = this.#tracks.get(kind);
    if (known) {
      const track = await known.catch(() => null);
      if (track && track.readyState === "live") return track;
    }
    const acquired = this.#acquire(kind);
    this.#tracks.set(kind, acquired);
    try {
      return await acquired;
    } catch (problem) {
      if (this.#tracks.get(kind) === acquired) this.#tracks.delete(kind);
      throw problem;
    }
  }

  /** Whether it is there without asking anybody. @param {"audio" | "camera" | "screen"} kind */
  has(kind) {
    return this.#tracks.has(kind);
  }

  /** Let it go; its light goes out. @param {"audio" | "camera" | "screen"} kind */
  release(kind) {
    const known = this.#tracks.get(kind);
    this.#tracks.delete(kind);
    known?.then((track) => track.stop(), () => undefined);
  }

  /** @param {MediaDeviceKind} kind */
  async list(kind) {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((each) => each.kind === kind && each.deviceId !== "");
  }

  /** @param {"audio" | "camera" | "screen"} kind */
  async #acquire(kind) {
    const what = kind === "audio" ? "audio" : kind === "camera" ? "video" : "Screen-share";
    try {
      const stream = await this.#ask(kind);
      const [track] = stream.getTracks();
      track.addEventListener("ended", () => {
        this.#tracks.delete(kind);
        this.dispatchEvent(new CustomEvent("ended", { detail: kind }));
      });
      return track;
    } catch (problem) {
      throw new DeviceFailed(problem, what);
    }
  }

  /** @param {"audio" | "camera" | "screen"} kind */
  async #ask(kind) {
    if (kind === "screen") return navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
    const chosen = kind === "audio" ? "microphone" : "camera";
    const { processing = true, [chosen]: deviceId } = this.chosen;
    const filters = { echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing };
    const ask = (/** @type {MediaTrackConstraints} */ which) =>
      navigator.mediaDevices.getUserMedia(kind === "audio" ? { audio: { ...filters, ...which } } : { video: which.deviceId ? which : true });
    if (!deviceId) return ask({});
    try {
      return await ask({ deviceId: { exact: deviceId } });
    } catch (problem) {
      if (!ABSENT.has(/** @type {any} */ (problem)?.name)) throw problem;
      const stream = await ask({}); // rejects where there is none at all: then the choice stays, for when it is plugged in
      if (this.chosen[chosen] === deviceId) delete this.chosen[chosen];
      this.dispatchEvent(new CustomEvent("replaced", { detail: kind }));
      return stream;
    }
  }
}
