// One agent's WebSocket to the gateway: commands out, events in, and back again by itself when it is lost.

/**
 * @typedef {"connecting" | "open" | "resuming" | "closed"} State
 * @typedef {{event: string, [key: string]: any}} Message
 * @typedef {{event: "commandResult", id: string, action: string, status: "done" | "failed", error: Problem | null,
 *   dialogId: string | null, result?: any}} CommandResult
 * @typedef {{type: string, code: string, description: string, detail?: string, dialogId?: string | null}} Problem
 */

const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;
/** Milliseconds from which on a connection counts as one that works, and the next wait is short again. */
const STEADY = 5_000;
/** The gateway answers each command within 60 s; somewhat later nothing will come. */
const COMMAND_TIMEOUT = 65_000;
/** A command that was given without a connection is sent within this time or never: who hung up long ago means no other call. */
const UNSENT_TIMEOUT = 3_000;
/** What the gateway says of a token that it does not take, or no longer. */
const TOKEN_OVER = new Set(["token-refused", "token-expired"]);
/** Close codes after which trying again is of no use: the gateway does not want us. */
const FINAL = new Set([1008, 1009]);

/** Why a command failed. `code` is stable, `description` the contract's text, `detail` a sentence for people. */
export class CommandFailed extends Error {
  /** @param {string} action @param {Problem} problem @param {CommandResult} [result] */
  constructor(action, problem, result) {
    super(problem.detail || problem.description);
    this.name = "CommandFailed";
    this.action = action;
    this.type = problem.type;
    this.code = problem.code;
    this.description = problem.description;
    this.detail = problem.detail || problem.description;
    this.dialogId = problem.dialogId ?? null;
    this.result = result ?? null;
  }
}

/**
 * Events: `message` (detail: what the gateway sent, but for results and what is about audio), `result` (detail: a
 * commandResult, before its command settles), `media` (detail: what is about audio), `state` (detail: the new state).
 */
export class Connection extends EventTarget {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {State} */ #state = "closed";
  /** @type {Map<string, {action: string, resolve: (result: CommandResult) => void, reject: (problem: Error) => void, timer: number, sent: boolean, text: string}>} */
  #waiting = new Map();
  #serial = 0;
  /** @type {{extension: string, password?: string, token?: string} | null} */ #agent = null;
  #stream = "";
  #seq = 0;
  #wait = FIRST_WAIT;
  #opened = 0;
  /** @type {number | undefined} */ #timer;
  #wanted = false;
  #url;
  #token;
  /** @type {Map<string, any> | null} dialogs that a log-in after a lost connection tells of, by id */ #told = null;
  /** @type {string} */ #registration = "OUT_OF_SERVICE";

  /** @param {string | URL} url of `/cti` @param {{token?: string}} [options] */
  constructor(url, { token } = {}) {
    super();
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#token = token;
    this.#serial = Math.floor(Math.random() * 1e9);
    globalThis.addEventListener?.("online", () => this.#retry());
  }

  get state() {
    return this.#state;
  }

  get url() {
    return this.#url.href;
  }

  /** The extension that is logged in, or null. */
  get extension() {
    return this.#agent?.extension ?? null;
  }

  /** What the next log-in shows. */
  get token() {
    return this.#token;
  }

  /**
   * Another token, before the one in use ends, or none; where nobody is logged in, for the next log-in. One that the
   * gateway refuses is not kept: it rejects with `CommandFailed`.
   * @param {string | undefined} token
   */
  async renew(token) {
    if (!this.#agent || token === undefined) {
      this.#token = token;
      return null;
    }
    const result = await this.command("renewToken", { token });
    this.#token = token;
    if (this.#agent) this.#agent.token = token;
    return result;
  }

  /** Connect. Rejects where the first attempt fails; from then on a lost connection comes back by itself. */
  open() {
    if (this.#wanted) return Promise.resolve();
    this.#wanted = true;
    return /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        this.#connect(resolve, (problem) => {
          this.#wanted = false;
          this.#enter("closed");
          reject(problem);
        });
      })
    );
  }

  /** End it; what waits for a result fails. The agent stays logged in at the gateway for its grace time. */
  close() {
    this.#wanted = false;
    this.#agent = null;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = null;
    this.#failAll("closed", "The connection was closed.");
    this.#enter("closed");
  }

  newId() {
    return `${(this.#serial += 1)}`;
  }

  /**
   * Give a command; settles when its outcome is known (contract §2, "done when"). Rejects with `CommandFailed`.
   * @param {string} action @param {Record<string, any>} [parameter] @param {string} [id] of `newId`, to know it before
   * @returns {Promise<CommandResult>}
   */
  command(action, parameter = {}, id = this.newId()) {
    const text = JSON.stringify({ action, parameter, id });
    return new Promise((resolve, reject) => {
      const open = this.#state === "open" || (this.#socket?.readyState === 1 && (action === "login" || action === "resume"));
      if (!open && this.#state !== "resuming" && this.#state !== "connecting") {
        reject(new CommandFailed(action, problemOf("not-connected", "There is no connection to the gateway.")));
        return;
      }
      const timer = setTimeout(() => this.#settle(id, problemOf("not-connected", "There is no connection to the gateway.")), UNSENT_TIMEOUT);
      this.#waiting.set(id, { action, resolve, reject, timer, sent: false, text });
      if (open) this.#send(id);
    });
  }

  /** @param {string} id of a command that waits */
  #send(id) {
    const waiting = this.#waiting.get(id);
    if (!waiting || waiting.sent) return;
    waiting.sent = true;
    clearTimeout(waiting.timer);
    waiting.timer = setTimeout(() => this.#settle(id, problemOf("timeout", "The gateway did not answer in time.")), COMMAND_TIMEOUT);
    this.#socket?.send(waiting.text);
  }

  /**
   * @param {string} extension @param {string} [password] none where a token proves who connects
   * @param {Record<string, any>} [parameter] more of them @param {string} [id]
   */
  async login(extension, password, parameter = {}, id = this.newId()) {
    const proof = { ...(password === undefined ? {} : { password }), ...(this.#token ? { token: this.#token } : {}) };
    const result = await this.command("login", { loginId: extension, ...parameter, extension, ...proof }, id).catch((problem) => {
      if (TOKEN_OVER.has(problem.code)) this.#token = undefined; // a password that is typed next goes without it
      throw problem;
    });
    this.#agent = { extension, password, token: this.#token };
    return result;
  }

  async logout(parameter = {}, id = this.newId()) {
    const result = await this.command("logout", parameter, id);
    this.#agent = null;
    return result;
  }

  /** About audio; lost where there is no connection, for it is meaningless later. @param {Record<string, any>} media */
  sendMedia(media) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify({ media }));
  }

  /** For the gateway's log; lost where nobody is connected. @param {{refused: "click to call", origin: string, times: number}} report */
  report(report) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify({ report }));
  }

  /** @param {() => void} [opened] @param {(problem: Error) => void} [failed] */
  #connect(opened, failed) {
    clearTimeout(this.#timer);
    this.#enter(this.#agent ? "resuming" : "connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = Date.now();
      if (this.#agent) {
        this.#resume().catch(() => undefined);
      } else {
        this.#enter("open");
        this.#flush();
      }
      opened?.();
      failed = undefined;
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (failed) failed(new CommandFailed("connect", problemOf("not-connected", "The gateway cannot be reached.")));
      else this.#lost(event);
    };
  }

  /** @param {CloseEvent} event */
  #lost(event) {
    for (const [id, waiting] of this.#waiting) {
      // What came of a command that was sent, nobody can tell any more. One that was not, goes out when we are back.
      if (waiting.sent) this.#settle(id, problemOf("connection-lost", "The connection was lost before the outcome was known."));
    }
    if (!this.#wanted || FINAL.has(event.code)) {
      this.#wanted = false;
      this.#agent = null;
      this.#failAll("closed", event.reason || "The gateway closed the connection.");
      this.#enter("closed", event.reason);
      return;
    }
    this.#enter("resuming");
    if (Date.now() - this.#opened > STEADY) this.#wait = FIRST_WAIT;
    const wait = this.#wait * (0.5 + Math.random());
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #retry() {
    if (this.#wanted && !this.#socket) this.#connect();
  }

  async #resume() {
    const agent = /** @type {{extension: string, password?: string, token?: string}} */ (this.#agent);
    const { extension, password, token } = agent;
    const proof = password === undefined ? { token } : { password };
    const action = this.#stream ? "resume" : "login";
    const position = this.#stream ? { stream: this.#stream, seq: this.#seq } : {};
    try {
      await this.command(action, { extension, ...proof, ...position });
    } catch (problem) {
      if (!(problem instanceof CommandFailed) || problem.code === "connection-lost") return;
      if (problem.code !== "not-logged-in") {
        this.#fall(problem);
        return;
      }
      try {
        this.#told = new Map();
        const { result } = await this.command("login", { extension, ...proof }); // the grace time was over
        this.#snapshot(extension, result);
      } catch (refused) {
        if (refused instanceof CommandFailed && refused.code === "connection-lost") return;
        this.#fall(refused);
        return;
      } finally {
        this.#told = null;
      }
    }
    this.#agent = agent;
    this.#enter("open");
    this.#flush();
  }

  /** A log-in tells what is there, not what has ended meanwhile: a snapshot does. @param {string} loginId @param {any} position */
  #snapshot(loginId, position) {
    const dialogs = [...(this.#told?.values() ?? [])];
    this.#stream = position?.stream ?? "";
    this.#seq = position?.seq ?? 0;
    const response = { loginId, stream: this.#stream, seq: this.#seq, registration: this.#registration, dialogs };
    this.dispatchEvent(new CustomEvent("message", { detail: { event: "snapshot", response } }));
  }

  /** The gateway does not know us any more. @param {unknown} problem */
  #fall(problem) {
    this.#agent = null;
    this.#stream = "";
    if (problem instanceof CommandFailed && TOKEN_OVER.has(problem.code)) this.#token = undefined;
    this.#enter("open");
    this.dispatchEvent(new CustomEvent("message", { detail: { event: "Error", response: { type: "generalError", loginId: "", code: "resume-failed", description: String(problem), dialogId: null } } }));
    this.#flush();
  }

  #flush() {
    for (const id of [...this.#waiting.keys()]) this.#send(id);
  }

  /** @param {string} text */
  #receive(text) {
    /** @type {any} */ let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message.media) {
      this.dispatchEvent(new CustomEvent("media", { detail: message.media }));
      return;
    }
    if (typeof message.seq === "number") {
      if (message.stream !== this.#stream) this.#stream = message.stream;
      this.#seq = message.seq;
    }
    if (message.event === "snapshot") {
      this.#stream = message.response.stream;
      this.#seq = message.response.seq;
    }
    if (message.event === "commandResult") {
      this.dispatchEvent(new CustomEvent("result", { detail: message }));
      this.#settle(message.id, message.error, message);
      return;
    }
    if (this.#note(message)) this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  /** What a message means for this connection itself; false: it is nobody else's concern. @param {any} message */
  #note(message) {
    const { event, response } = message;
    if (event === "xmppEvent") this.#registration = response?.type;
    // Logged out is logged out, by another window or by a gateway that stops: nobody is logged in again by himself.
    if (event === "agentInfo" && response?.state === "LOGOUT") {
      this.#agent = null;
      this.#stream = "";
    }
    if (event === "Error") {
      if (TOKEN_OVER.has(response?.code)) this.#token = undefined;
      return this.#state !== "resuming" || response?.code !== "not-logged-in"; // our own resumption's: a log-in follows
    }
    const dialog = response?.dialog;
    if (this.#told && dialog?.id) {
      if (dialog.state === "DROPPED") this.#told.delete(dialog.id);
      else this.#told.set(dialog.id, dialog);
    }
    return true;
  }

  /** @param {string} id @param {Problem | null} problem @param {CommandResult} [result] */
  #settle(id, problem, result) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (problem || !result) waiting.reject(new CommandFailed(waiting.action, problem ?? problemOf("internal", ""), result));
    else waiting.resolve(result);
  }

  /** @param {string} code @param {string} text */
  #failAll(code, text) {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, problemOf(code, text));
  }

  /** @param {State} state @param {string} [reason] */
  #enter(state, reason) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(Object.assign(new CustomEvent("state", { detail: state }), { reason }));
  }
}

/** @param {string} code @param {string} text @returns {Problem} */
function problemOf(code, text) {
  return { type: "networkIssue", code, description: text, detail: text, dialogId: null };
}
