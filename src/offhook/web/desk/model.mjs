// The desk as a value: what it is made of, and the questions that views ask of it. Pure.

/** Milliseconds that a call which is over stays on the screen; twice as long a notice stays that is no error. */
export const LINGER = 6000;
const MOST_NOTICES = 4;

/**
 * @typedef {"ringing" | "dialing" | "active" | "held" | "ended"} Phase
 * @typedef {"in" | "out"} Way
 * @typedef {{name: string, value: string}} Variable
 * @typedef {{number: string, phase: Phase, muted: boolean}} Member
 * @typedef {{
 *   id: string, way: Way, kind: "call" | "consult" | "campaign" | "monitoring" | "conference", phase: Phase,
 *   number: string, customer: string, raw: string, queue: string, variables: Variable[], muted: boolean,
 *   remoteHold: boolean, members: Member[], began: number, since: number, answered: number | null, ended: number | null,
 *   reason: string | null, goesOn: boolean, about: string | null, media: string, listening: "listen" | "whisper" | null,
 *   quality: Quality | null, sends: {video: boolean, screenshare: boolean}, receives: {video: boolean, screenshare: boolean},
 *   digits: string, refusal: string | null }} Call
 * @typedef {{band: "good" | "fair" | "poor", mos: number | null, loss: number | null, jitter: number | null,
 *   roundTrip: number | null, codec: string, warning: string | null}} Quality
 * @typedef {{id: string, way: Way, kind: string, number: string, raw: string, queue: string, began: number,
 *   seconds: number | null, reason: string | null, goesOn: boolean}} Past
 * @typedef {{id: number, level: "error" | "warning" | "info", code?: string, key?: string, values?: Record<string, string>,
 *   call: string | null, at: number, number?: string}} Notice
 * @typedef {{id: number, urgent: boolean, key: string, values: Record<string, string | number>}} Saying
 */

/** @param {Record<string, any>} [given] settings that are remembered */
export function initial(given = {}) {
  return {
    connection: /** @type {"connecting" | "open" | "resuming" | "closed"} */ ("closed"),
    agent: /** @type {null | {extension: string, loginId: string}} */ (null),
    registration: /** @type {null | "IN_SERVICE" | "OUT_OF_SERVICE"} */ (null),
    login: { pending: false, code: /** @type {string | null} */ (null), extension: "" },
    /** @type {Call[]} */ calls: [],
    /** @type {string | null} the call that shortcuts are about */ chosen: null,
    /** @type {Record<string, string>} action of each command under way, by its id */ pending: {},
    /** @type {Past[]} */ history: [],
    /** @type {Notice[]} */ notices: [],
    /** @type {Saying[]} */ said: [],
    serial: 0,
    now: 0,
    /** @type {{extension: string, calls: {number: string, phase: Phase}[]}[] | null} */ agents: null,
    supervisor: /** @type {boolean | null} */ (null),
    media: {
      kind: /** @type {"unknown" | "none" | "browser"} */ ("unknown"), ready: false, /** there is no microphone, and why */ denied: false, why: /** @type {"denied" | "missing" | "busy"} */ ("denied"), blocked: false,
      elsewhere: false, video: false, screen: false,
      /** @type {{id: string, label: string}[]} */ microphones: [], /** @type {{id: string, label: string}[]} */ speakers: [],
      /** @type {{id: string, label: string}[]} */ cameras: [],
      microphone: "", speaker: "", camera: "", /** whether echo and noise are filtered */ processing: true, testing: false,
    },
    ui: {
      tab: "dial", number: "", /** @type {Record<string, Panel | null>} */ panels: {}, help: false, /** asked whether to log out in a call */ leaving: false,
      /** @type {string | null} */ focus: null, agentNumber: "",
      theme: "auto", language: "", shortcuts: true, ringer: true, ...given,
    },
  };
}

/**
 * @typedef {ReturnType<typeof initial>} State
 * @typedef {{name: "keypad" | "transfer" | "consult" | "details" | "closed", number?: string, queue?: string, toQueue?: boolean, values?: Record<string, string>}} Panel
 */

/** The calls that are not over, in the order in which they began. @param {State} state */
export function live(state) {
  return state.calls.filter((call) => call.phase !== "ended");
}

/** The call that shortcuts and the dial pad are about. @param {State} state @returns {Call | null} */
export function chosen(state) {
  const calls = live(state);
  const ringing = calls.find((call) => call.phase === "ringing");
  const own = calls.find((call) => call.id === state.chosen);
  if (own) return own;
  return ringing ?? calls.find((call) => call.phase === "active") ?? calls[0] ?? null;
}

/** The consult that we made about a call, or the call that a consult of ours is about. @param {State} state @param {Call} call */
export function partner(state, call) {
  const calls = live(state);
  if (call.kind === "consult") return calls.find((each) => each.id === call.about) ?? null;
  return calls.find((each) => each.kind === "consult" && each.about === call.id) ?? null;
}

/** Whether a command of that action is under way for that call. @param {State} state @param {string} action @param {string} [call] */
export function busy(state, action, call = "") {
  return Object.values(state.pending).includes(`${action} ${call}`);
}

// ------------------------------------------------------------------------------------------------ small changes

/** @param {State} state @param {string} id @param {Partial<Call>} changed @returns {State} */
export function change(state, id, changed) {
  return { ...state, calls: state.calls.map((call) => (call.id === id ? { ...call, ...changed } : call)) };
}
/** The same, told by the event and by the result, is told once. @param {State} state @param {any} given @returns {State} */
export function notice(state, given) {
  const same = (/** @type {Notice} */ each) => each.code === given.code && each.key === given.key && state.now - each.at < 3000 &&
    (each.call === given.call || each.call === null || given.call === null || given.call === undefined);
  const told = state.notices.find(same);
  if (told && (told.number || !given.number)) return state;
  // The event comes first; the result knows in addition towards which number it failed.
  if (told) return { ...state, notices: state.notices.map((each) => (each === told ? { ...each, number: given.number } : each)) };
  const id = state.serial + 1;
  const made = { call: null, ...given, id, at: state.now };
  return { ...state, serial: id, notices: [...state.notices, made].slice(-MOST_NOTICES) };
}

/** @param {State} state @param {string} key @param {Record<string, string | number>} [values] @param {boolean} [urgent] @returns {State} */
export function say(state, key, values = {}, urgent = false) {
  const id = state.serial + 1;
  return { ...state, serial: id, said: [...state.said, { id, urgent, key, values }].slice(-8) };
}
