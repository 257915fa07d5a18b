// Texts of the desk: messages in the agent's language, and texts from SIP made harmless. Pure.

/** Code points that are shown of a name or number; a longer one ends in an ellipsis. */
export const NAME_LENGTH = 80;
/** Code points that are shown of the value of a call variable. */
export const VALUE_LENGTH = 400;

// Controls, marks that turn the direction of writing, characters without width, separators of lines: nothing a name
// needs, and all a swindler wants. (Arabic and Hebrew names need none of them: <bdi> isolates each.)
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\uffff]|[\u{e0000}-\u{e0fff}]/gu;
const STACKED = /(\p{M}{3})\p{M}+/gu;

/**
 * A text of others as it may be shown: one line, no control or direction characters, at most `most` code points.
 * @param {unknown} text
 * @param {number} [most]
 * @returns {string}
 */
export function clean(text, most = NAME_LENGTH) {
  if (typeof text !== "string") return "";
  // Cut first: what is done to a text of 10 MB would be felt.
  const cut = text.slice(0, most * 8);
  const harmless = cut.replace(HARMFUL, " ").replace(STACKED, "$1").replace(/\s+/gu, " ").trim();
  const points = Array.from(harmless);
  if (points.length <= most && cut.length === text.length) return harmless;
  return `${points.slice(0, most).join("").trimEnd()}…`;
}

/**
 * A span of time as 0:07, 12:34 or 1:02:03.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/**
 * What is typed or pasted into a number field as a gateway takes it: marks that people write between digits go.
 * @param {string} typed
 */
export function dialable(typed) {
  const text = typed.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").trim().replace(/^tel:/i, "");
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) return ""; // nobody types them
  const digits = text.replace(/[\u0660-\u0669]/g, (digit) => String(digit.charCodeAt(0) - 0x660))
    .replace(/[\u06f0-\u06f9]/g, (digit) => String(digit.charCodeAt(0) - 0x6f0));
  return /^[+\d\s().\/\u00a0\u202f*#-]+$/.test(digits) && !/-[A-Za-z]/.test(digits)
    ? digits.replace(/[\s().\/\u00a0\u202f-]/g, "")
    : digits;
}

/** Messages of one language, over those of English. */
export class Messages {
  /**
   * @param {Record<string, string>} english every key
   * @param {Record<string, string>} [own] those of the language, as far as there are
   */
  constructor(english, own = {}) {
    this._english = english;
    this._own = own;
    this.language = own["@language"] ?? english["@language"] ?? "en";
    this.direction = own["@direction"] ?? "ltr";
    this._plural = new Intl.PluralRules(this.language);
    this._time = new Intl.DateTimeFormat(this.language, { hour: "2-digit", minute: "2-digit" });
    this._day = new Intl.DateTimeFormat(this.language, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  }

  /** @param {string} key */
  has(key) {
    return Object.hasOwn(this._own, key) || Object.hasOwn(this._english, key);
  }

  /**
   * The message of a key, `{name}` filled in. With `count` among the values, `key.one`, `key.few`, ... where there is one.
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   * @returns {string}
   */
  text(key, values = {}) {
    const form = typeof values.count === "number" ? `${key}.${this._plural.select(values.count)}` : key;
    const found = this._find(form) ?? this._find(key) ?? this._find(`${key}.other`) ?? key;
    return found.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
  }

  /** @param {number} at milliseconds @param {number} now */
  time(at, now) {
    return (now - at < 12 * 3600e3 ? this._time : this._day).format(at);
  }

  /** @param {string} key */
  _find(key) {
    if (Object.hasOwn(this._own, key)) return this._own[key];
    return Object.hasOwn(this._english, key) ? this._english[key] : undefined;
  }
}

/**
 * The sentence for an error: that of its code, else that of its reason or status, else one that names the code.
 * @param {Messages} messages
 * @param {string} code
 */
export function sentence(messages, code) {
  if (messages.has(`error.${code}`)) return messages.text(`error.${code}`);
  return reason(messages, code) ?? messages.text("error.other", { code: clean(code, 40) || "?" });
}

/**
 * Why a call ended, or null where there is nothing to say.
 * @param {Messages} messages
 * @param {string | null | undefined} text a callEndReason, a Reason header's text or a SIP status
 */
export function reason(messages, text) {
  const name = String(text ?? "").trim();
  for (const key of [name, name.toUpperCase().replace(/[\s-]+/g, "_")]) {
    if (messages.has(`reason.${key}`)) return messages.text(`reason.${key}`);
  }
  if (/^[456]\d\d$/.test(name)) return messages.text(`reason.${name[0]}xx`, { code: name });
  return null;
}
