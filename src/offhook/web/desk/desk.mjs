// The desk: the page, its connection and its audio held together. What is decided is in state.mjs and intents.mjs.

import { Connection } from "../connection.mjs";
import { Audio } from "./audio.mjs";
import { claimsOf, Colleagues } from "./colleagues.mjs";
import { askForToken, listen } from "./frame.mjs";
import { commands } from "./intents.mjs";
import { meaning } from "./keys.mjs";
import { Bell, testTone } from "./sounds.mjs";
import { reduce } from "./state.mjs";
import { chosen, initial, live } from "./model.mjs";
import { keepPast, pastOf, remember, settings } from "./store.mjs";
import { Messages } from "./text.mjs";
import { patch } from "./vdom.mjs";
import { page } from "./views/page.mjs";

const LANGUAGES = [{ id: "en", label: "English" }, { id: "ar", label: "العربية" }];
/** Seconds between two looks at the quality of a call whose audio is not in this page. */
const STATISTICS = 5;

/** Milliseconds after which a question of the browser is one that nobody has answered yet. */
const ASKING = 1500;

/** Commands that need the microphone, or at least the permission. */
const SPEAKING = new Set(["makeCall", "makeOBCall", "answerCall", "makeConsult", "makeConsultQueue", "silentMonitor"]);

class Desk {
  /** @param {Element} root */
  constructor(root) {
    this.root = root;
    const { extension = "", microphone = "", speaker = "", camera = "", processing = true, ...ui } = settings();
    this.state = initial(ui);
    this.state = reduce(this.state, { type: "media", change: { microphone, speaker, camera, processing } });
    this.state = reduce(this.state, { type: "login", change: { extension } });
    this.state.now = Date.now();
    this.password = "";
    const token = takeToken();
    /** A token in the address was refused. */ this.deaf = false;
    /** Over when the last token in the address was tried. */ this.addressed = Promise.resolve();
    /** The browser asks somebody for the microphone. */ this.asks = false;
    /** Over when the last log-in is done or has failed. */ this.entered = Promise.resolve();
    this.connection = this.connect(claimsOf(token).extension ? token : "");
    this.audio = new Audio((input) => this.send(input), this.connection);
    this.colleagues = new Colleagues((input) => this.send(input), "");
    this.bell = new Bell();
    this.messages = new Messages({});
    this.rendering = false;
    /** @type {string | undefined} */ this.opener = undefined;
    this.commands = 0;
    this.ticks = 0;
    this.tools = {
      login: () => this.login(), logout: () => this.askToLeave(), leave: () => void this.logout(), password: () => this.password,
      typePassword: (/** @type {string} */ text) => { this.password = text; },
      remember: (/** @type {any} */ change) => { remember(change); this.send({ type: "ui", change }); },
      languages: LANGUAGES, speak: (/** @type {string} */ language) => this.speak(language),
      allow: () => this.audio.allow(), takeOver: () => this.audio.takeOver(), unblock: () => this.audio.unblock(),
      look: () => void this.act({ do: "look" }),
      use: (/** @type {any} */ change) => { remember(change); void this.audio.use(change); },
      testTone: () => this.testTone(), meter: (/** @type {HTMLMeterElement} */ element) => this.audio.meter(element),
      streams: (/** @type {string} */ call) => this.audio.streams(call),
    };
  }

  async start() {
    await this.speak(new URLSearchParams(location.search).get("lang") || this.state.ui.language || navigator.language, false);
    const { microphone, camera, speaker, processing } = this.state.media;
    const chosen = Object.entries({ microphone, camera, speaker }).filter(([, device]) => device);
    void this.audio.use({ ...Object.fromEntries(chosen), ...(processing ? {} : { processing }) });
    document.addEventListener("keydown", (event) => this.key(event));
    setInterval(() => this.tick(), 1000);
    addEventListener("beforeunload", (event) => {
      if (live(this.state).length) event.preventDefault();
    });
    addEventListener("hashchange", () => this.renewByAddress(takeToken()));
    const report = (/** @type {string} */ origin, /** @type {number} */ times) => this.connection.report({ refused: "click to call", origin, times });
    listen((number, media) => void this.click(number, media), (token) => void this.renew(token), report);
    this.render();
    this.focus(this.state.login.extension ? "#password" : "#extension");
    await this.enter();
  }

  /** Log in whom the token names. */
  async enter() {
    const { extension } = claimsOf(this.connection.token ?? "");
    if (typeof extension !== "string") return;
    this.send({ type: "login", change: { extension } });
    await this.login();
  }

  /** @param {any} input */
  send(input) {
    const before = this.state;
    this.state = reduce(before, input.type === "message" ? { ...input, now: Date.now() } : input);
    if (this.state === before || this.rendering) return;
    this.rendering = true;
    queueMicrotask(() => {
      this.rendering = false;
      this.render();
      this.follow(before);
    });
  }

  render() {
    const { ui } = this.state;
    const root = document.documentElement;
    if (root.dataset.theme !== ui.theme) root.dataset.theme = ui.theme;
    const focused = document.activeElement;
    const card = focused?.closest("article[data-call]");
    const opener = this.opener;
    patch(this.root, page({ state: this.state, messages: this.messages, send: (input) => this.send(input), act: (intent) => void this.act(intent), tools: this.tools }));
    if (focused && !focused.isConnected) this.refocus(/** @type {HTMLElement | null} */ (card), opener);
    this.speakAloud();
    this.title();
  }

  /** What had the focus is gone: its call keeps it, or the calls. @param {HTMLElement | null} card @param {string} [opener] */
  refocus(card, opener) {
    if (!this.state.agent) return this.focus("#extension");
    if (this.state.ui.help) return;
    const button = card?.isConnected && opener ? card.querySelector(`[data-do="${opener}"]`) : null;
    const to = button ?? (card?.isConnected ? card : document.getElementById("main"));
    /** @type {HTMLElement | null} */ (to)?.focus({ preventScroll: true });
  }

  /** @param {string} selector */
  focus(selector) {
    const found = /** @type {HTMLElement | null} */ (document.querySelector(selector));
    found?.focus();
    return found;
  }

  /** What has to be done once the page shows the new state. @param {import("./model.mjs").State} before */
  follow(before) {
    const { state } = this;
    if (state.agent && !before.agent) {
      this.deaf = false;
      this.password = "";
      remember({ extension: state.agent.extension });
      this.send({ type: "history", history: pastOf(state.agent.extension) });
      this.focus("#main");
    }
    if (!state.agent && before.agent) {
      this.audio.end();
      this.focus("#password");
    }
    if (state.agent && state.history !== before.history) keepPast(state.agent.extension, state.history);
    for (const [call, panel] of Object.entries(state.ui.panels)) {
      const was = before.ui.panels[call];
      if (panel && panel.name !== "closed" && panel.name !== was?.name) {
        this.opener = panel.name;
        this.focus(`article[data-call="${CSS.escape(call)}"] [data-panel="${panel.name}"] :is(input:not([type=radio]), .digit)`);
      }
    }
    this.colleagues.look(state.agent !== null && state.ui.tab === "supervise");
    const rings = state.calls.some((call) => call.phase === "ringing");
    this.bell.ring(rings && state.ui.ringer, state.media.speaker);
  }

  speakAloud() {
    if (!this.state.said.length) return;
    for (const each of this.state.said) {
      const line = document.createElement("p");
      line.textContent = this.messages.text(each.key, each.values);
      document.getElementById(each.urgent ? "urgent" : "polite")?.append(line);
      setTimeout(() => line.remove(), 7000);
    }
    this.state = reduce(this.state, { type: "said", upTo: this.state.serial });
  }

  title() {
    const rings = this.state.calls.find((call) => call.phase === "ringing");
    const app = this.messages.text("app");
    const title = rings ? `${this.messages.text("phase.ringing")}: ${rings.number} – ${app}` : this.state.agent ? `${this.state.agent.extension} – ${app}` : app;
    if (document.title !== title) document.title = title;
  }

  // ------------------------------------------------------------------------------------------ commands

  /** @param {import("./intents.mjs").Intent} intent */
  async act(intent) {
    const steps = commands(this.state, intent);
    if (!steps.length) {
      if (this.state.connection !== "open") this.send({ type: "notice", notice: { level: "warning", key: "notice.away" } });
      return;
    }
    const shown = shownBy(intent);
    if ((shown || steps.some((step) => SPEAKING.has(step.action))) && !(await this.equipped(steps[0], shown))) return;
    for (const step of steps) {
      if (!(await this.command(step))) return;
    }
    const call = intent.call ?? chosen(this.state)?.id ?? "";
    if (intent.do === "convert" && shown) void this.audio.show(call, shown).catch(() => undefined);
    if (intent.do === "dial") this.send({ type: "ui", change: { number: "" } });
    if (intent.do === "look") this.send({ type: "notice", notice: { level: "info", key: "notice.looked", values: { count: live(this.state).length } } });
    if (intent.do === "describe") this.send({ type: "panel", call, panel: null });
    if (intent.do === "digits") this.noteDigit(call, intent.digit ?? "");
    if (intent.do === "transfer" || intent.do === "consult") this.send({ type: "panel", call, panel: null });
    if (intent.do === "whisper") {
      const now = this.state.calls.find((each) => each.id === call)?.listening;
      this.send({ type: "call", call, change: { listening: now === "whisper" ? "listen" : "whisper" } });
    }
  }

  /**
   * Whether there is what the step needs; asked for in the click, for a browser lets nobody ask later. A call that rings
   * goes on ringing where there is no microphone: to answer it without would end it.
   * @param {import("./intents.mjs").Step} step @param {"camera" | "screen" | null} shown
   */
  async equipped(step, shown) {
    if (this.asks) return false;
    this.asks = true;
    const asking = setTimeout(() => this.send({ type: "notice", notice: { level: "warning", key: "notice.asking" } }), ASKING);
    try {
      await this.audio.prepare(shown);
      return true;
    } catch (problem) {
      if (!SPEAKING.has(step.action) && /** @type {any} */ (problem).key) return true; // a call goes on as it is
      this.send({ type: "notice", notice: { level: "error", call: step.call ?? null, .../** @type {any} */ (problem) } });
      return false;
    } finally {
      this.asks = false;
      clearTimeout(asking);
      this.send({ type: "withdraw", key: "notice.asking" });
    }
  }

  /** @param {string} call @param {string} digit */
  noteDigit(call, digit) {
    const sent = this.state.calls.find((each) => each.id === call)?.digits ?? "";
    this.send({ type: "call", call, change: { digits: (sent + digit).slice(-24) } });
  }

  /** Whether it was done. @param {import("./intents.mjs").Step} step */
  async command({ action, parameter, call, number }) {
    const id = String((this.commands += 1));
    this.send({ type: "asked", id, action, call });
    try {
      const result = await this.connection.command(action, parameter);
      this.send({ type: "settled", id, action, call });
      return result ?? true;
    } catch (error) {
      const code = /** @type {any} */ (error)?.code;
      this.send({ type: "settled", id, action, call, number, error: { code: typeof code === "string" ? code : "other" } });
      return null;
    }
  }

  async login() {
    const { extension, pending } = this.state.login;
    if (pending) return;
    if (!extension.trim() || !(this.password || this.connection.token)) {
      this.send({ type: "login", change: { code: "empty" } });
      this.focus(extension.trim() ? "#password" : "#extension");
      return;
    }
    this.send({ type: "login", change: { pending: true, code: null } });
    this.entered = this.connectAs(extension.trim());
    await this.entered;
  }

  /** @param {string} extension */
  async connectAs(extension) {
    try {
      await this.connection.open();
      await this.connection.login(extension, this.password || undefined);
      this.colleagues.token = this.connection.token ?? "";
      this.send({ type: "login", change: { pending: false } });
    } catch (error) {
      const code = /** @type {any} */ (error)?.code;
      this.send({ type: "login", change: { pending: false, code: typeof code === "string" ? code : "other" } });
    }
  }

  /** @param {string} token or "" */
  connect(token) {
    const url = new URL("../cti", location.href);
    url.search = url.hash = "";
    const connection = new Connection(url, token ? { token } : {});
    connection.addEventListener("message", (event) => {
      const message = /** @type {CustomEvent} */ (event).detail;
      if (message.event === "tokenExpiring") askForToken(message.response.seconds);
      this.send({ type: "message", message });
    });
    connection.addEventListener("state", () => this.send({ type: "connection", state: connection.state }));
    return connection;
  }

  /** The page above wants a number called. @param {string} number @param {string} media */
  async click(number, media) {
    if (!this.state.agent) return this.send({ type: "login", change: { code: "click-not-logged-in" } });
    await this.act({ do: "dial", number, media });
  }

  /**
   * Any page that has this window can change its address, and the gateway counts refused tokens: while somebody is logged in,
   * none is tried after one that was refused.
   * @param {string} token
   */
  renewByAddress(token) {
    this.addressed = this.addressed.then(async () => {
      if (token && !(this.deaf && this.state.agent)) this.deaf = !(await this.renew(token));
    });
  }

  /** Another token: for the log-in there is, or a new one. False: it was refused. @param {string} token */
  async renew(token) {
    await this.entered;
    try {
      if (!claimsOf(token).extension) throw { code: "token-refused" };
      await this.connection.renew(token);
      if (this.state.agent) {
        this.colleagues.token = token;
        this.send({ type: "renewed" });
      } else await this.enter();
      return true;
    } catch (error) {
      const code = String(/** @type {any} */ (error)?.code ?? "other");
      this.send(this.state.agent ? { type: "notice", notice: { level: "error", code } } : { type: "login", change: { code } });
      return false;
    }
  }

  askToLeave() {
    if (!live(this.state).length) return void this.logout();
    this.send({ type: "ui", change: { leaving: true } });
  }

  async logout() {
    await this.command({ action: "logout", parameter: { reasonCode: "Logged Out" } });
    this.connection.close();
    this.send({ type: "login", change: { code: null } });
  }

  // ------------------------------------------------------------------------------------------ the keyboard

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.defaultPrevented || !this.state.agent) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches("input:not([type=checkbox]):not([type=radio]), select, textarea");
    const does = meaning(event);
    if (does === "close" && !this.state.ui.help) return this.close(target);
    if (typing || this.state.ui.help || !this.state.ui.shortcuts || event.repeat) return;
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey;
    if (plain && /^[0-9*#+]$/.test(event.key)) this.digit(event.key);
    else if (does) this.shortcut(does);
    else return;
    event.preventDefault();
  }

  /** @param {HTMLElement} target */
  close(target) {
    const call = target.closest("article[data-call]")?.getAttribute("data-call") ?? chosen(this.state)?.id;
    if (call && this.state.ui.panels[call]) this.send({ type: "panel", call, panel: null });
    else if (this.state.notices.length) this.send({ type: "dismiss", id: this.state.notices[this.state.notices.length - 1].id });
    else target.blur();
  }

  /** @param {string} digit */
  digit(digit) {
    const call = chosen(this.state);
    if (call && this.state.ui.panels[call.id]?.name === "keypad") void this.act({ do: "digits", call: call.id, digit });
    else this.send({ type: "ui", change: { tab: "dial", number: (this.state.ui.number + digit).slice(0, 128) } });
  }

  /** @param {string} does */
  shortcut(does) {
    if (does === "help") return this.send({ type: "ui", change: { help: true } });
    if (does === "number") {
      this.send({ type: "ui", change: { tab: "dial" } });
      return queueMicrotask(() => this.focus("#number"));
    }
    if (does === "next") return this.next();
    const rings = does === "answer" || does === "reject" ? live(this.state).find((each) => each.phase === "ringing") : null;
    const call = rings ?? chosen(this.state);
    if (!call) return;
    if (does === "keypad" || does === "transfer" || does === "consult") return this.openPanel(call, does);
    void this.act({ do: does, call: call.id });
  }

  /** @param {import("./model.mjs").Call} call @param {"keypad" | "transfer" | "consult"} name */
  openPanel(call, name) {
    const card = document.querySelector(`article[data-call="${CSS.escape(call.id)}"]`);
    const button = /** @type {HTMLElement | null} */ (card?.querySelector(`.actions [data-do="${name}"]`));
    if (!button) return;
    if (button.getAttribute("aria-expanded") === "true") /** @type {HTMLElement | null} */ (card?.querySelector(`[data-panel="${name}"] :is(input:not([type=radio]), .digit)`))?.focus();
    else button.click();
  }

  next() {
    const calls = live(this.state);
    if (!calls.length) return;
    const at = calls.findIndex((each) => each.id === chosen(this.state)?.id);
    const call = calls[(at + 1) % calls.length];
    this.send({ type: "choose", call: call.id });
    this.focus(`article[data-call="${CSS.escape(call.id)}"]`);
  }

  // ------------------------------------------------------------------------------------------ the rest

  /** @param {string} language @param {boolean} [keep] */
  async speak(language, keep = true) {
    const wanted = LANGUAGES.find((each) => language.toLowerCase().startsWith(each.id))?.id ?? "en";
    const load = async (/** @type {string} */ name) => (await fetch(new URL(`messages/${name}.json`, import.meta.url))).json();
    const [english, own] = await Promise.all([load("en"), wanted === "en" ? {} : load(wanted)]);
    this.messages = new Messages(english, own);
    document.documentElement.lang = this.messages.language;
    document.documentElement.dir = this.messages.direction;
    if (keep) remember({ language: wanted });
    this.send({ type: "ui", change: { language: wanted } });
  }

  async testTone() {
    this.send({ type: "media", change: { testing: true } });
    await testTone(this.state.media.speaker).catch(() => undefined);
    this.send({ type: "media", change: { testing: false } });
  }

  tick() {
    this.send({ type: "tick", now: Date.now() });
    this.ticks += 1;
    if (this.ticks % STATISTICS || (this.state.media.kind === "browser" && !this.state.media.elsewhere) || this.state.connection !== "open") return;
    for (const call of live(this.state)) {
      // Asked in silence: that a call has no statistics is nobody's trouble.
      if (call.phase === "active") this.connection.command("getStats", { dialogId: call.id }).catch(() => undefined);
    }
  }
}

/** What of this page an intent shows to the other side. @param {import("./intents.mjs").Intent} intent @returns {"camera" | "screen" | null} */
function shownBy({ media, stream, on }) {
  const what = on ? stream ?? media : media;
  return what === "video" ? "camera" : what === "screenshare" ? "screen" : null;
}

/** The token with which a program opened this page (`#token=...`); it does not stay in the address. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

const root = document.getElementById("desk");
if (root) void new Desk(root).start();
