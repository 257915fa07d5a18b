// For supervisors: whose call to listen to.

import { icon } from "../icons.mjs";
import { busy } from "../model.mjs";
import { dialable } from "../text.mjs";
import { h } from "../vdom.mjs";
import { button, field, number } from "./parts.mjs";

/** @param {import("./parts.mjs").Context} context */
export function supervise(context) {
  const { state, messages, act, send } = context;
  const t = messages.text.bind(messages);
  const typed = state.ui.agentNumber;
  const waits = busy(state, "silentMonitor");
  const listen = (/** @type {string} */ to) => act({ do: "listen", number: to });
  return h(
    "section", { class: "supervise", key: "supervise", "aria-labelledby": "supervise-title" },
    h("h2", { id: "supervise-title" }, t("supervise.title")),
    h("p", { class: "hint" }, state.supervisor === false ? t("supervise.notAllowed") : t("supervise.note")),
    h("form", { on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); if (dialable(typed)) listen(typed); } } },
      field({ id: "agent", label: t("supervise.number"), value: typed, mode: "tel", enter: "go", on: (value) => send({ type: "ui", change: { agentNumber: value } }) }),
      h("button", { type: "submit", class: "button main wide", "aria-disabled": dialable(typed) && !waits ? null : "true", data: { do: "listen" } }, icon("ear"), h("span", { class: "word" }, t("do.listen")))),
    h("h3", null, t("supervise.agents")),
    state.agents === null
      ? h("p", { class: "hint", key: "unknown" }, t("supervise.unknown"))
      : h("ul", { class: "agents", key: "agents" }, state.agents.map((agent) => row(agent))),
  );

  /** @param {{extension: string, calls: {number: string, phase: string}[]}} agent */
  function row(agent) {
    const call = agent.calls.find((each) => each.phase === "active") ?? agent.calls[0];
    return h("li", { key: `a-${agent.extension}`, data: { agent: agent.extension } }, icon(call ? (call.phase === "held" ? "pause" : "phone") : "user"),
      h("div", { class: "pastwho" }, h("span", { class: "name" }, number(agent.extension)),
        h("span", { class: "small" }, call ? [t(`phase.${call.phase}`), call.number ? [" · ", number(call.number)] : null] : t("supervise.idle"))),
      call && call.phase === "active" && agent.extension !== state.agent?.extension
        ? button({ word: t("do.listen"), label: `${t("do.listen")}: ${agent.extension}`, icon: "ear", kind: "small", busy: waits, on: () => listen(agent.extension) }) : null);
  }
}
