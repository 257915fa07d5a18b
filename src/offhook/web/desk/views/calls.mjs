// All calls side by side.

import { icon } from "../icons.mjs";
import { live } from "../model.mjs";
import { duration } from "../text.mjs";
import { h } from "../vdom.mjs";
import { readiness } from "./bar.mjs";
import { card } from "./card.mjs";

const RANK = /** @type {Record<string, number>} */ ({ ringing: 0, dialing: 1, active: 1, held: 1, ended: 2 });

/** What stands where no call is, by readiness. */
const NONE = /** @type {Record<string, string>} */ ({ ready: "calls.none.ready", silent: "calls.none.silent" });

/** @param {import("./parts.mjs").Context} context */
export function calls(context) {
  const { state, messages } = context;
  const t = messages.text.bind(messages);
  const count = live(state).length;
  // What rings stands first; the others keep their place, so that no button moves under the hand.
  const sorted = state.calls.map((call, at) => ({ call, at })).sort((a, b) => RANK[a.call.phase] - RANK[b.call.phase] || a.at - b.at);
  return h(
    "main", { class: "calls", key: "calls", id: "main", tabindex: "-1", "aria-labelledby": "calls-title", data: { count: String(state.calls.length) } },
    h("div", { class: "callshead" },
      h("h1", { id: "calls-title" }, t("calls.title")),
      count ? h("span", { class: "count" }, t("calls.count", { count })) : null),
    state.calls.length
      ? h("div", { class: "cards", key: "cards" }, sorted.map(({ call }) => card(context, call)))
      : h("div", { class: "empty", key: "empty" }, icon("headset"), h("p", { class: "strong" }, t("calls.none")), h("p", null, t(NONE[readiness(state)] ?? "calls.none.not")), figures(context)),
  );
}

/** What was done in this session, in three figures. @param {import("./parts.mjs").Context} context */
function figures({ state, messages }) {
  if (!state.history.length) return null;
  const talked = state.history.filter((past) => past.seconds !== null);
  const seconds = talked.reduce((sum, past) => sum + (past.seconds ?? 0), 0);
  const missed = state.history.filter((past) => past.seconds === null && past.way === "in").length;
  const one = (/** @type {string} */ key, /** @type {string} */ value) => h("div", null, h("dt", null, messages.text(key)), h("dd", null, value));
  return h("dl", { class: "figures", key: "figures" }, one("calls.talked", String(talked.length)), one("calls.time", duration(seconds)), one("calls.missed", String(missed)));
}
