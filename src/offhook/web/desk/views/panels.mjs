// What opens within a call: the keypad, and where to transfer or whom to consult.

import { icon } from "../icons.mjs";
import { busy } from "../model.mjs";
import { dialable } from "../text.mjs";
import { h } from "../vdom.mjs";
import { button, field, named, pad } from "./parts.mjs";

/** @typedef {import("../model.mjs").Call} Call @typedef {import("./parts.mjs").Context} Context */

/** Names of details, in the order in which they are taken. */
const FREE = Array.from({ length: 10 }, (_, at) => `callVariable${at}`);

/** @param {Context} context @param {Call} call */
export function keypad(context, call) {
  const { messages, act, send } = context;
  const t = messages.text.bind(messages);
  return h("section", { class: "panel", key: "keypad", "aria-label": t("panel.keypad"), data: { panel: "keypad" } },
    h("div", { class: "panelhead" }, h("h3", null, t("panel.keypad")), h("output", { class: "sent", dir: "ltr" }, call.digits),
      button({ word: t("do.close"), icon: "close", bare: true, kind: "quiet", on: () => send({ type: "panel", call: call.id, panel: null }) })),
    pad(context, t("panel.keypad"), (digit) => act({ do: "digits", call: call.id, digit })));
}

/** @param {Context} context @param {Call} call @param {import("../model.mjs").Panel} panel */
export function towards(context, call, panel) {
  const { messages, state, act, send } = context;
  const t = messages.text.bind(messages);
  const name = /** @type {"transfer" | "consult"} */ (panel.name);
  const put = (/** @type {any} */ changed) => send({ type: "panel", call: call.id, panel: { ...panel, ...changed } });
  const number = panel.number ?? "";
  const queue = panel.queue ?? "";
  const complete = panel.toQueue ? queue.trim() !== "" && dialable(number) !== "" : dialable(number) !== "";
  const action = { transfer: panel.toQueue ? "SST_Queue" : "SST", consult: panel.toQueue ? "makeConsultQueue" : "makeConsult" }[name];
  const waits = busy(state, action, call.id);
  const id = `to-${name}-${hash(call.id)}`;
  const go = () => {
    if (complete && !waits) act({ do: name, call: call.id, number, ...(panel.toQueue ? { queue } : {}) });
  };
  const kind = (/** @type {boolean} */ toQueue, /** @type {string} */ word) =>
    h("label", { class: "radio", key: word }, h("input", { type: "radio", name: id, checked: Boolean(panel.toQueue) === toQueue, on: { change: () => put({ toQueue }) } }), h("span", null, word));
  return h("section", { class: "panel", key: `panel-${name}`, "aria-label": t(`panel.${name}`), data: { panel: name } },
    h("div", { class: "panelhead" }, h("h3", null, t(`panel.${name}`)),
      button({ word: t("do.close"), icon: "close", bare: true, kind: "quiet", on: () => send({ type: "panel", call: call.id, panel: null }) })),
    h("form", { on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); go(); } } },
      h("fieldset", { class: "radios" }, h("legend", null, t("panel.to")), kind(false, t("panel.toNumber")), kind(true, t("panel.toQueue"))),
      panel.toQueue ? field({ id: `${id}-queue`, label: t("panel.queue"), value: queue, most: 128, on: (value) => put({ queue: value }) }) : null,
      field({ id, label: t(panel.toQueue ? "panel.queueNumber" : "panel.number"), value: number, mode: "tel", enter: "go", describedby: `${id}-note`, on: (value) => put({ number: value }) }),
      h("p", { class: "hint", id: `${id}-note` }, t(`panel.${name}.note`)),
      h("button", { type: "submit", class: "button main wide", "aria-disabled": complete && !waits ? null : "true", "aria-busy": waits ? "true" : null, data: { do: `${name}Go` } },
        icon(name), h("span", { class: "word" }, waits ? t("panel.waits") : t(`panel.${name}.go`)))));
}

/** What is known about the call, to be changed: the details there are, and one more. @param {Context} context @param {Call} call @param {import("../model.mjs").Panel} panel */
export function describe(context, call, panel) {
  const { messages, state, act, send } = context;
  const t = messages.text.bind(messages);
  const values = panel.values ?? {};
  const own = Object.fromEntries(call.variables.map((each) => [each.name, each.value]));
  const free = FREE.find((name) => !(name in own));
  const names = [...Object.keys(own), ...(free ? [free] : [])].filter((name) => name.startsWith("callVariable"));
  const changed = Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== (own[name] ?? "")));
  const waits = busy(state, "updateCallVariableData", call.id);
  const ready = Object.keys(changed).length > 0 && !waits;
  return h("section", { class: "panel", key: "panel-details", "aria-label": t("panel.details"), data: { panel: "details" } },
    h("div", { class: "panelhead" }, h("h3", null, t("panel.details")),
      button({ word: t("do.close"), icon: "close", bare: true, kind: "quiet", on: () => send({ type: "panel", call: call.id, panel: null }) })),
    h("form", { on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); if (ready) act({ do: "describe", call: call.id, variables: changed }); } } },
      names.map((name) => field({
        id: `about-${hash(call.id)}-${hash(name)}`, label: named(messages, name), value: values[name] ?? own[name] ?? "", most: 200,
        on: (value) => send({ type: "panel", call: call.id, panel: { ...panel, values: { ...values, [name]: value } } }),
      })),
      h("button", { type: "submit", class: "button main wide", "aria-disabled": ready ? null : "true", "aria-busy": waits ? "true" : null, data: { do: "describe" } },
        icon("complete"), h("span", { class: "word" }, t("panel.details.go")))));
}

/** A name for elements of a call: ids of calls come from outside. @param {string} text */
function hash(text) {
  let sum = 7;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return sum.toString(36);
}
