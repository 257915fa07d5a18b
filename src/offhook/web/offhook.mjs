// Offhook in a page: `Agent` for new code, and its parts. `import("offhook")` in comments is docs/reference/offhook.d.ts, the
// types of all messages; tests/web/types checks this file against them.

import { CommandFailed, Connection } from "./connection.mjs";
import { DeviceFailed, Media } from "./media.mjs";

export { CommandFailed, Connection, DeviceFailed, Media };

/**
 * @typedef {"audio" | "video" | "screenshare" | "onlyviewscreenshare"} CallType
 * @typedef {import("offhook").Command} Command
 * @typedef {import("offhook").Message} Message
 * @typedef {import("offhook").Dialog} Dialog
 * @typedef {import("./connection.mjs").CommandResult} CommandResult
 */

/** What of this page a call type needs. @param {string | undefined} type @returns {"camera" | "screen" | null} */
export function shownBy(type) {
  return type === "video" ? "camera" : type === "screenshare" ? "screen" : null;
}

/** Where this module's gateway takes WebSockets. */
export function gatewayOf(/** @type {string | URL} */ script) {
  const url = new URL("cti", script);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

/**
 * An agent of this page. Every method that speaks or listens may be called in a click: devices are asked for first, then
 * the command is given. Rejects with `CommandFailed` or `DeviceFailed`.
 *
 * Events: `call` (detail: the `Dialog`, each time it changes), `event` (detail: every `Message` of the gateway), `state`
 * (detail: of the connection); those of the media are at `media`.
 */
export class Agent extends EventTarget {
  /** @type {Map<string, Dialog>} */ #calls = new Map();

  /** @param {{url?: string, token?: string, audioElement?: HTMLMediaElement | null, polite?: boolean}} [options] */
  constructor({ url = gatewayOf(import.meta.url), token, audioElement, polite } = {}) {
    super();
    this.connection = new Connection(url, { token });
    this.media = new Media(this.connection, { audioElement, polite });
    this.connection.addEventListener("message", (event) => this.#receive(/** @type {CustomEvent} */ (event).detail));
    this.connection.addEventListener("state", (event) => this.dispatchEvent(new CustomEvent("state", { detail: /** @type {CustomEvent} */ (event).detail })));
  }

  /** Live calls by their dialog id. @returns {ReadonlyMap<string, Dialog>} */
  get calls() {
    return this.#calls;
  }

  get extension() {
    return this.connection.extension;
  }

  /** Connect, log in, and have the audio here. In a click: the microphone is asked for. @param {string} extension @param {string} [password] */
  async login(extension, password) {
    const prepared = this.media.prepare();
    prepared.catch(() => undefined); // who logs in without a microphone can still do much; the event `device` says it
    await this.connection.open();
    const result = await this.connection.login(extension, password);
    await prepared.catch(() => undefined);
    return result;
  }

  async logout() {
    const result = await this.connection.logout();
    this.connection.close();
    return result;
  }

  /** @param {string} number @param {{type?: CallType, destination?: string}} [options] @returns {Promise<string>} the dialog id */
  async dial(number, { type = "audio", destination = number } = {}) {
    await this.media.prepare({ video: shownBy(type) });
    const parameter = { calledNumber: number, Destination_Number: destination, callType: type };
    return /** @type {string} */ ((await this.command("makeCall", parameter)).dialogId);
  }

  /** @param {string} dialogId @param {CallType} [type] */
  async answer(dialogId, type = "audio") {
    await this.media.prepare({ video: shownBy(type) });
    return this.command("answerCall", { dialogId, answerCalltype: type });
  }

  /** @param {string} dialogId */
  release(dialogId) {
    return this.command("releaseCall", { dialogId });
  }

  /** @param {string} dialogId */
  hold(dialogId) {
    return this.command("holdCall", { dialogId });
  }

  /** @param {string} dialogId */
  retrieve(dialogId) {
    return this.command("retrieveCall", { dialogId });
  }

  /** @param {string} dialogId @param {boolean} [muted] */
  mute(dialogId, muted = true) {
    return this.command(muted ? "mute_call" : "unmute_call", { dialogId });
  }

  /** @param {string} dialogId @param {string} digits */
  sendDigits(dialogId, digits) {
    return this.command("SendDtmf", { dialogId, message: digits });
  }

  /** @param {string} dialogId @param {string} number */
  transfer(dialogId, number) {
    return this.command("SST", { dialogId, numberToTransfer: number });
  }

  /** @param {string} dialogId @param {string} number */
  async consult(dialogId, number) {
    await this.media.prepare();
    return this.command("makeConsult", { dialogId, numberToConsult: number });
  }

  completeTransfer() {
    return this.command("consultTransfer");
  }

  /** @param {string} dialogId */
  conference(dialogId) {
    return this.command("conference_consult", { dialogId });
  }

  /** Show the camera or the screen in a call, or no longer. @param {string} dialogId @param {"camera" | "screen"} what @param {boolean} [on] */
  async show(dialogId, what, on = true) {
    if (on) await this.media.prepare({ video: what });
    const streamType = what === "screen" ? "screenshare" : "video";
    const result = await this.command("convertCall", { dialogId, streamType, streamStatus: on ? "on" : "off" });
    if (on && this.media.streams(dialogId)?.shown !== what) await this.media.show(dialogId, what);
    return result;
  }

  /**
   * Any command of the contract.
   * @template {Command["action"]} A
   * @param {A} action @param {import("offhook").CommandOf<A>["parameter"]} [parameter] @returns {Promise<CommandResult>}
   */
  command(action, parameter) {
    return this.connection.command(action, parameter ?? {});
  }

  /** @param {Message} message */
  #receive(message) {
    if (message.event === "snapshot") {
      const kept = new Set(message.response.dialogs.map((dialog) => dialog.id));
      for (const dialog of [...this.#calls.values()].filter(({ id }) => !kept.has(id))) {
        this.#calls.delete(dialog.id);
        this.dispatchEvent(new CustomEvent("call", { detail: dropped(dialog) }));
      }
    }
    for (const dialog of dialogsOf(message)) {
      if (dialog.state === "DROPPED") this.#calls.delete(dialog.id);
      else this.#calls.set(dialog.id, dialog);
      this.dispatchEvent(new CustomEvent("call", { detail: dialog }));
    }
    if (message.event === "agentInfo" && message.response.state === "LOGOUT") this.#calls.clear();
    this.dispatchEvent(new CustomEvent("event", { detail: message }));
  }
}

/**
 * A call that has ended while nobody could tell: why, is not known.
 * @template {{participants: readonly any[]}} D
 * @param {D} dialog
 */
export function dropped(dialog) {
  const participants = dialog.participants.map((/** @type {any} */ each) => ({ ...each, state: "DROPPED", mute: false, actions: { action: [] } }));
  return { ...dialog, state: "DROPPED", isCallEnded: 1, callEndReason: null, participants };
}

/** The dialogs that a message tells of. @param {Message} message @returns {readonly Dialog[]} */
function dialogsOf(message) {
  if (message.event === "snapshot") return message.response.dialogs;
  const dialog = "response" in message && "dialog" in message.response ? message.response.dialog : null;
  return dialog && "state" in dialog ? [dialog] : [];
}
