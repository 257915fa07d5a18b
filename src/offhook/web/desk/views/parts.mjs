// Small parts of views.

import { icon } from "../icons.mjs";
import { h } from "../vdom.mjs";

/**
 * What a view is given.
 * @typedef {{
 *   state: import("../model.mjs").State, messages: import("../text.mjs").Messages,
 *   send: (input: any) => void, act: (intent: import("../intents.mjs").Intent) => void, tools: any
 * }} Context
 */

/**
 * A button with an icon and a word.
 * @param {{word: string, icon?: string, on: () => void, kind?: string, key?: string, label?: string, pressed?: boolean,
 *   busy?: boolean, off?: boolean, expanded?: boolean, type?: string, data?: Record<string, string>, bare?: boolean,
 *   keys?: string, controls?: string}} given `bare`: the word is for screen readers and the tooltip alone
 */
export function button(given) {
  const { word, on, kind = "", bare = false } = given;
  return h(
    "button",
    {
      key: given.key ?? null, type: given.type ?? "button", class: `button ${kind} ${bare ? "bare" : ""}`.trim().replace(/\s+/g, " "),
      "aria-label": given.label ?? (bare ? word : null), title: bare ? word : given.label ?? null,
      "aria-pressed": given.pressed === undefined ? null : String(given.pressed),
      "aria-expanded": given.expanded === undefined ? null : String(given.expanded),
      "aria-keyshortcuts": given.keys ?? null,
      "aria-controls": given.controls ?? null,
      "aria-busy": given.busy ? "true" : null,
      "aria-disabled": given.off || given.busy ? "true" : null,
      data: given.data ?? {},
      on: { click: () => given.off || given.busy || on() },
    },
    given.icon ? icon(given.icon) : null,
    bare ? null : h("span", { class: "word" }, word),
  );
}

/** A number as people read it, kept from the direction of the text around it. @param {string} number */
export function number(number) {
  return h("bdi", { class: "number", dir: /^[+\d*#]/.test(number) ? "ltr" : "auto" }, number);
}

/** A text of others. @param {string} text */
export function foreign(text) {
  return h("bdi", null, text);
}

/** The name of a call variable, as people read it. @param {import("../text.mjs").Messages} messages @param {string} name */
export function named(messages, name) {
  const found = /^callVariable(\d)$/.exec(name);
  return found ? messages.text("call.variable.callVariable", { count: Number(found[1]) + 1 }) : foreign(name);
}

/**
 * A field with its label.
 * @param {{id: string, label: import("../vdom.mjs").Child, value?: string, on: (value: string) => void, type?: string, mode?: string, complete?: string,
 *   hint?: string, required?: boolean, invalid?: boolean, describedby?: string, most?: number, live?: (element: any) => void, enter?: string}} given
 */
export function field(given) {
  return h(
    "div", { class: "field", key: `field-${given.id}` },
    h("label", { for: given.id }, given.label),
    h("input", {
      id: given.id, type: given.type ?? "text", inputmode: given.mode ?? null, autocomplete: given.complete ?? "off",
      dir: given.mode === "tel" ? "ltr" : null, spellcheck: "false", autocapitalize: "off", maxlength: given.most ?? 128, value: given.value ?? "",
      "aria-required": given.required ? "true" : null, "aria-invalid": given.invalid ? "true" : null,
      "aria-describedby": given.describedby ?? null, enterkeyhint: given.enter ?? null,
      on: { input: (/** @type {any} */ event) => given.on(event.target.value) }, live: given.live,
    }),
  );
}

/**
 * @param {{id: string, label: string, value: string, options: {id: string, label: string}[], on: (value: string) => void}} given
 */
export function choice(given) {
  return h(
    "div", { class: "field", key: `field-${given.id}` },
    h("label", { for: given.id }, given.label),
    h("select", { id: given.id, value: given.value, on: { change: (/** @type {any} */ event) => given.on(event.target.value) } },
      given.options.map((each) => h("option", { key: `o-${each.id}`, value: each.id }, each.label))),
  );
}

const PAD = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const LETTERS = ["", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ", "", "+", ""];

/**
 * The twelve keys of a telephone.
 * @param {Context} context @param {string} label @param {(digit: string) => void} on
 */
export function pad({ messages }, label, on) {
  const spoken = (/** @type {string} */ digit) => (digit === "*" ? messages.text("key.star") : digit === "#" ? messages.text("key.hash") : null);
  return h(
    "div", { class: "pad", role: "group", "aria-label": label, dir: "ltr", key: "pad" },
    PAD.map((digit, index) =>
      h("button", { type: "button", class: "digit", key: digit, data: { digit }, on: { click: () => on(digit) } },
        h("span", { class: "figure" }, digit), spoken(digit) ? h("span", { class: "unseen" }, ` ${spoken(digit)}`) : null, h("span", { class: "letters", "aria-hidden": "true" }, LETTERS[index]))),
  );
}
