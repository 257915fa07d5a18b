// What the reference library is to a page, on Offhook: commands by `postMessages`, events to callbacks, click to call.
// `/offhook.js` loads this; docs/how-to/drop-in.md tells how it is used.

import { CommandFailed, Connection } from "./connection.mjs";
import { Media } from "./media.mjs";
import { dropped, shownBy } from "./offhook.mjs";

/** Milliseconds for which a lost connection to the gateway is not told: most are back sooner. */
const OUTAGE_UNTOLD = 3_000;
/** Milliseconds between two reports of refused clicks: a page that sends many is not to use up what the agent may send. */
const REPORTED_EVERY = 10_000;
/** Milliseconds that an Error may wait for the result that says whose it is. */
const WITHHELD = 50;

/** Commands that need a device of this page, and by which parameter it is known what is shown. */
const SPEAKING = /** @type {Record<string, string | null>} */ ({
  login: null, makeCall: "callType", makeOBCall: "callType", silentMonitor: null, makeConsult: null, makeConsultQueue: null, answerCall: "answerCalltype",
});
/** Commands that themselves bring about an event of their dialog. */
const OWN_EVENTS = new Set(["holdCall", "retrieveCall", "mute_call", "unmute_call", "getDialog"]);
const DIALLING = new Set(["makeCall", "makeOBCall", "silentMonitor"]);
const CONSULTING = new Set(["makeConsult", "makeConsultQueue"]);
const CALL_TYPES = new Set(["audio", "video", "screenshare"]);

/**
 * @typedef {(event: any) => void} Callback
 * @typedef {{action: string, callback: Callback | null, id: unknown, dialog: string | null}} Posted
 * @typedef {{gateway: string, origins: string[], token?: string, post?: boolean, config?: () => any}} Options
 *   `origins`: who may click to call and gets events posted; `config`: the page's `sipConfig`
 */

/** One for a page. Events: `refused` (detail: {origin}); `device`, `blocked`, `unblocked`, `relay`, `warning`, `audio`, `stats` as those of `Media`. */
export class DropIn extends EventTarget {
  #options;
  #connection;
  /** @type {Map<string, Posted>} */ #posted = new Map();
  /** @type {Map<string, Callback | null>} */ #owners = new Map();
  /** @type {Map<string, any>} calls that are not over, as they were told last */ #dialogs = new Map();
  /** @type {Callback | null} */ #login = null;
  /** @type {{event: any, timer: number} | null} */ #withheld = null;
  #order = Promise.resolve();
  #extension = "";
  #told = false;
  /** @type {number | undefined} */ #outage;
  #unreported = 0;
  #reported = -REPORTED_EVERY;

  /** @param {Options} options */
  constructor(options) {
    super();
    this.#options = options;
    this.#connection = new Connection(options.gateway, { token: options.token });
    this.media = new Media(this.#connection, { audioElement: () => element("remoteVideo") });
    this.#connection.addEventListener("message", (event) => this.#receive(/** @type {CustomEvent} */ (event).detail));
    this.#connection.addEventListener("result", (event) => this.#result(/** @type {CustomEvent} */ (event).detail));
    this.#connection.addEventListener("state", () => this.#state());
    this.media.addEventListener("local", (event) => showLocal(/** @type {CustomEvent} */ (event).detail.stream));
    for (const name of ["device", "blocked", "unblocked", "relay", "warning", "audio", "stats"]) {
      this.media.addEventListener(name, (event) => this.dispatchEvent(new CustomEvent(name, { detail: /** @type {CustomEvent} */ (event).detail })));
    }
    globalThis.addEventListener("message", (event) => this.#clicked(event));
  }

  get connection() {
    return this.#connection;
  }

  /**
   * Give a command as to the reference; what comes of it comes to callbacks. To be called in the click that wants it.
   * @param {any} command
   */
  post(command) {
    if (typeof command !== "object" || command === null) throw new TypeError("a command is an object with action and parameter");
    const { action } = command;
    const { clientCallbackFunction, sipConfig, ...parameter } = typeof command.parameter === "object" && command.parameter !== null ? command.parameter : {};
    const callback = typeof clientCallbackFunction === "function" ? clientCallbackFunction : null;
    if (action === "login") this.#login = callback ?? this.#login;
    // Begun now, because only now is it the agent's click.
    const prepared = this.#prepare(action, parameter).catch(() => undefined); // the command will fail, and say why
    this.#order = this.#order.then(async () => {
      await prepared;
      await this.#send(action, parameter, callback, command.id, sipConfig);
    });
  }

  /**
   * Call numbers that are clicked: links with `tel:`, and whatever has `data-offhook-number`.
   * @param {EventTarget} [root]
   */
  links(root = document) {
    root.addEventListener("click", (event) => {
      const found = /** @type {Element | null} */ (event.target)?.closest?.("a[href^='tel:' i], [data-offhook-number]");
      const number = found && numberOf(found.getAttribute("data-offhook-number") ?? found.getAttribute("href") ?? "");
      if (!number) return;
      event.preventDefault();
      this.#dial(number, number, "audio");
    });
  }

  /** @param {string} action @param {any} parameter */
  async #prepare(action, parameter) {
    if (action === "convertCall" && parameter.streamStatus === "on") {
      await this.media.prepare({ video: parameter.streamType === "screenshare" ? "screen" : "camera" });
    } else if (Object.hasOwn(SPEAKING, action)) {
      const named = SPEAKING[action];
      await this.media.prepare({ video: named ? shownBy(parameter[named]) : null });
    }
  }

  /** @param {string} action @param {any} parameter @param {Callback | null} callback @param {unknown} given @param {any} config */
  async #send(action, parameter, callback, given, config) {
    const connection = this.#connection;
    try {
      await connection.open();
    } catch {
      this.#unreachable(String(parameter.extension ?? this.#extension));
      return;
    }
    const id = connection.newId();
    const dialog = typeof parameter.dialogId === "string" ? parameter.dialogId : null;
    this.#posted.set(id, { action, callback, id: given, dialog });
    // Not waited for: the next command may go out meanwhile, and what comes of this one is told by `#result`.
    const under = action === "login" ? this.#logIn(parameter, config, id) : action === "logout" ? connection.logout(parameter, id) : connection.command(action, parameter, id);
    under.then(
      (result) => action === "convertCall" && this.#shown(parameter, result),
      (problem) => this.#lost(id, problem),
    );
  }

  /** @param {any} parameter @param {any} config @param {string} id */
  #logIn(parameter, config, id) {
    const own = config ?? this.#options.config?.() ?? {};
    // The reference takes the extension's password from its configuration, never from the command.
    const password = own.agentStaticPassword || own.extensionPassword || parameter.password;
    this.#extension = String(parameter.extension ?? "");
    return this.#connection.login(parameter.extension, password, { ...parameter, extension: parameter.extension }, id);
  }

  /** Camera and screen change places without a word to the gateway. @param {any} parameter @param {any} result */
  #shown(parameter, result) {
    const kind = parameter.streamType === "screenshare" ? "screen" : "camera";
    const dialog = result.dialogId ?? parameter.dialogId;
    if (parameter.streamStatus === "on" && this.media.streams(dialog)?.shown !== kind) void this.media.show(dialog, kind);
  }

  /** A command whose outcome was lost with the connection. @param {string} id @param {unknown} problem */
  #lost(id, problem) {
    const posted = this.#posted.get(id);
    this.#posted.delete(id);
    if (!posted || !(problem instanceof CommandFailed)) return;
    this.#give(posted.callback, error(problem.type, this.#extension, problem.description, problem.code, posted.dialog));
  }

  /** @param {any} message */
  #result(message) {
    const posted = this.#posted.get(message.id);
    if (!posted) return;
    this.#posted.delete(message.id);
    const withheld = this.#take();
    if (withheld) {
      const same = message.error && message.error.code === withheld.response.code && posted.action !== "releaseCall";
      this.#give(same ? posted.callback : null, withheld);
    }
    if (posted.id !== undefined && posted.id !== null) this.#give(posted.callback, { ...message, id: posted.id });
  }

  /** @param {any} message */
  #receive(message) {
    this.#release();
    if (message.event === "Error" && !this.#pending(message.response.dialogId)) {
      // Whose it is, the result of the same command will tell, which comes next.
      this.#withheld = { event: message, timer: setTimeout(() => this.#release(), WITHHELD) };
      return;
    }
    if (message.event === "snapshot") {
      this.#compare(message.response);
      return;
    }
    this.#give(this.#callback(message), message);
    const dialog = message.response?.dialog;
    if (dialog?.state === "DROPPED") this.#dialogs.delete(dialog.id);
    else if (dialog?.id && dialog.state) this.#dialogs.set(dialog.id, dialog);
    if (message.event === "agentInfo" && message.response.state === "LOGOUT") this.#dialogs.clear();
    if (dialog?.state === "DROPPED" && dialog.callType !== "CONSULT_TRANSFER") queueMicrotask(() => this.#owners.delete(dialog.id));
  }

  /** What of a snapshot the page does not know yet: calls that have ended, and those that have changed. @param {any} response */
  #compare({ loginId, dialogs }) {
    const kept = new Set(dialogs.map((/** @type {any} */ dialog) => dialog.id));
    const ended = [...this.#dialogs.values()].filter(({ id }) => !kept.has(id)).map(dropped);
    const changed = dialogs.filter((/** @type {any} */ dialog) => this.#dialogs.get(dialog.id) !== dialog);
    for (const dialog of [...ended, ...changed]) {
      this.#give(this.#owners.get(dialog.id) ?? null, { event: "dialogState", response: { loginId, dialog } });
      if (dialog.state === "DROPPED") {
        this.#dialogs.delete(dialog.id);
        this.#owners.delete(dialog.id);
      } else this.#dialogs.set(dialog.id, dialog);
    }
  }

  /** Who gets it (RB §1). @param {any} message @returns {Callback | null} */
  #callback(message) {
    const { event, response } = message;
    const dialog = response?.dialog?.id ?? response?.dialogId ?? message.dialog?.id ?? null;
    const waits = (/** @type {(posted: Posted) => boolean} */ one) => [...this.#posted.values()].find(one)?.callback ?? null;
    if (event === "Error") return this.#pending(dialog)?.callback ?? null;
    if (event === "agentInfo") return response.state === "LOGOUT" ? waits(({ action }) => action === "logout") : null;
    if (event === "agentState") return waits(({ action }) => action === "getState");
    if (!dialog) return null;
    if (!this.#owners.has(dialog)) {
      const own = event === "outboundDialing" ? DIALLING : event === "ConsultCall" && response.dialog.state === "INITIATING" ? CONSULTING : null;
      if (own) this.#owners.set(dialog, waits(({ action }) => own.has(action)));
    }
    const actions = event === "DTMF" ? new Set(["SendDtmf"]) : event === "callStats" ? new Set(["getStats"]) : event === "mediaConversion" ? new Set(["convertCall"]) : OWN_EVENTS;
    return waits((posted) => actions.has(posted.action) && posted.dialog === dialog) ?? this.#owners.get(dialog) ?? null;
  }

  /** The command whose Error that may be, where the dialog tells; `releaseCall`'s go to the login's. @param {string | null} dialog */
  #pending(dialog) {
    if (!dialog) return null;
    return [...this.#posted.values()].find((posted) => posted.dialog === dialog && posted.action !== "releaseCall") ?? null;
  }

  #take() {
    const withheld = this.#withheld;
    this.#withheld = null;
    if (withheld) clearTimeout(withheld.timer);
    return withheld?.event ?? null;
  }

  #release() {
    const event = this.#take();
    if (event) this.#give(this.#owners.get(event.response.dialogId ?? "") ?? null, event);
  }

  /** @param {Callback | null} callback @param {any} event */
  #give(callback, event) {
    const to = callback ?? this.#login;
    if (!to) console.warn(`offhook: no callback for ${event.event}`);
    else {
      try {
        to(event);
      } catch (problem) {
        console.error("offhook: a callback failed", problem); // the page's own mistake keeps nobody from the next event
      }
    }
    this.#postBack(event);
  }

  /** To the window, as the reference does, where the page wants it; never to origins that were not named. @param {any} event */
  #postBack(event) {
    if (!(this.#options.post || this.#options.config?.()?.voicePostMessageSending)) return;
    const text = JSON.stringify(event);
    globalThis.postMessage(text, location.origin);
    const above = window.parent !== window ? window.parent : window.opener;
    if (above) for (const origin of this.#options.origins) if (origin !== location.origin) above.postMessage(text, origin);
  }

  #state() {
    const { state } = this.#connection;
    if (state === "resuming" && this.#extension) {
      this.#outage ??= setTimeout(() => {
        this.#told = true;
        const text = `WebSocket closed ${this.#connection.url} (code: 1006)`;
        this.#give(null, error("networkIssue", this.#extension, text, "connection-lost", null));
        this.#give(null, { event: "xmppEvent", response: { loginId: this.#extension, type: "OUT_OF_SERVICE", description: text } });
      }, OUTAGE_UNTOLD);
    } else {
      clearTimeout(this.#outage);
      this.#outage = undefined;
      if (this.#told && state === "open") this.#give(null, { event: "xmppEvent", response: { loginId: this.#extension, type: "IN_SERVICE", description: "Connected" } });
      this.#told = false;
    }
  }

  /** @param {string} extension */
  #unreachable(extension) {
    const text = `WebSocket closed ${this.#connection.url} (code: 1006)`;
    this.#give(null, error("subscriptionFailed", extension, text, "not-connected", null));
  }

  /** Click to call (contract §2 row 18), from origins that were named alone. @param {MessageEvent} event */
  #clicked(event) {
    const asked = event.data;
    if (typeof asked !== "object" || asked === null || asked.SourceType !== "CTI" || !asked.calledNumber) return;
    if (event.origin !== location.origin && !this.#options.origins.includes(event.origin)) {
      console.warn(`offhook: click to call from ${event.origin} refused; data-allow-origin would let it in`);
      this.dispatchEvent(new CustomEvent("refused", { detail: { origin: event.origin } }));
      this.#report(event.origin);
      return;
    }
    const number = String(asked.calledNumber).slice(0, 128);
    const destination = String(asked.Destination_Number || number).slice(0, 128);
    this.#dial(number, destination, CALL_TYPES.has(asked.callType) ? asked.callType : "audio");
  }

  /** To the gateway's log. @param {string} origin */
  #report(origin) {
    this.#unreported += 1;
    if (performance.now() < this.#reported + REPORTED_EVERY) return;
    this.#connection.report({ refused: "click to call", origin: origin.slice(0, 300), times: this.#unreported });
    this.#reported = performance.now();
    this.#unreported = 0;
  }

  /** @param {string} number @param {string} destination @param {string} type */
  #dial(number, destination, type) {
    this.post({ action: "makeCall", parameter: { calledNumber: number, Destination_Number: destination, callType: type } });
  }
}

/** The number in a `tel:` URI (RFC 3966) or a text, as it is dialled. @param {string} text */
export function numberOf(text) {
  let plain = text.trim();
  if (/^tel:/i.test(plain)) {
    try {
      plain = decodeURIComponent(plain.slice(4));
    } catch {
      return "";
    }
  }
  if (/[\u0000-\u001f\u007f]/.test(plain)) return "";
  const number = plain.split(";")[0].replace(/[\s\-.()/\u00a0]/g, "");
  return /^\+?[0-9A-Za-z*#_]{1,64}$/.test(number) ? number : "";
}

/** @param {string} id @returns {HTMLMediaElement | null} */
function element(id) {
  const found = document.getElementById(id);
  return found instanceof HTMLMediaElement ? found : null;
}

/** @param {MediaStream} stream */
function showLocal(stream) {
  const own = element("localVideo");
  if (!own) return;
  own.muted = true; // one's own voice is not to be heard
  own.srcObject = stream.getTracks().length ? stream : null;
  if (own.srcObject) own.play().catch(() => undefined);
}

/** @param {string} type @param {string} loginId @param {string} description @param {string} code @param {string | null} dialogId */
function error(type, loginId, description, code, dialogId) {
  const now = new Date();
  const date = `${now.getFullYear()}-${now.getMonth() + 1}-${now.getDate()}`;
  const time = `${now.getHours()}:${now.getMinutes()}:${now.getSeconds()}.${now.getMilliseconds()}`;
  return { event: "Error", response: { type, loginId, description, event_time: `${date} ${time}`, code, detail: description, dialogId } };
}
