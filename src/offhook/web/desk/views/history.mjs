// The calls of this session.

import { icon } from "../icons.mjs";
import { duration, reason } from "../text.mjs";
import { h } from "../vdom.mjs";
import { button, foreign, number } from "./parts.mjs";

/** What became of a call, as a key of messages. @param {import("../model.mjs").Past} past */
export function outcome(past) {
  if (past.goesOn) return "passed";
  if (past.seconds === null) return past.way === "in" ? "missed" : "noAnswer";
  return past.way;
}

/** @param {import("./parts.mjs").Context} context */
export function history({ state, messages, act, send }) {
  const t = messages.text.bind(messages);
  return h(
    "section", { class: "history", key: "history", "aria-labelledby": "history-title" },
    h("h2", { id: "history-title", class: "unseen" }, t("history.title")),
    state.history.length
      ? h("ol", { class: "past" }, state.history.map((past, at) => entry(past, at)))
      : h("p", { class: "hint" }, t("history.none")),
    state.history.length ? button({ word: t("history.clear"), icon: "close", kind: "small", key: "clear", on: () => send({ type: "history", history: [] }) }) : null,
  );

  /** @param {import("../model.mjs").Past} past @param {number} at */
  function entry(past, at) {
    const how = outcome(past);
    const why = how === "missed" || how === "noAnswer" ? reason(messages, past.reason) : null;
    return h("li", { key: `p-${past.id}-${past.began}-${state.history.length - at}`, class: how },
      icon(how === "missed" || how === "noAnswer" ? "hangup" : past.kind === "monitoring" ? "ear" : how === "passed" ? "transfer" : past.way),
      h("div", { class: "pastwho" },
        h("span", { class: "name" }, past.number ? number(past.number) : t("call.unknown")),
        h("span", { class: "small" }, t(`history.${how}`), past.queue ? [" · ", foreign(past.queue)] : null, why ? ` · ${why}` : null)),
      h("div", { class: "pastwhen" }, h("span", null, messages.time(past.began, state.now)), h("span", { class: "small" }, past.seconds === null ? "–" : duration(past.seconds))),
      past.raw && past.kind !== "monitoring" ? button({ word: t("history.call", { number: past.number }), icon: "phone", bare: true, kind: "quiet", on: () => act({ do: "dial", number: past.raw, back: true }) }) : null);
  }
}
