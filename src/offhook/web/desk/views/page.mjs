// The whole page from the state.

import { icon } from "../icons.mjs";
import { h } from "../vdom.mjs";
import { audio } from "./audio.mjs";
import { bar } from "./bar.mjs";
import { calls } from "./calls.mjs";
import { dial } from "./dial.mjs";
import { help } from "./help.mjs";
import { history } from "./history.mjs";
import { login } from "./login.mjs";
import { notices } from "./notices.mjs";
import { supervise } from "./supervise.mjs";

const TABS = /** @type {[string, string, (context: any) => any][]} */ ([
  ["dial", "keypad", dial], ["history", "history", history], ["supervise", "ear", supervise], ["audio", "settings", audio],
]);

/** @param {import("./parts.mjs").Context} context */
export function page(context) {
  const { state, messages } = context;
  if (!state.agent) return [login(context)];
  const t = messages.text.bind(messages);
  const [name, , view] = TABS.find(([each]) => each === state.ui.tab) ?? TABS[0];
  return [
    h("a", { class: "skip", href: "#main", key: "skip" }, t("skip")),
    bar(context),
    notices(context),
    h("div", { class: "body", key: "body" },
      calls(context),
      h("aside", { class: "tools", "aria-label": t("tab.label"), key: "tools" },
        tabs(context),
        h("div", { class: "tabpanel", role: "tabpanel", id: "tabpanel", "aria-labelledby": `tab-${name}`, key: `panel-${name}`, data: { tab: name } }, view(context)))),
    help(context),
  ];
}

/** @param {import("./parts.mjs").Context} context */
function tabs({ state, messages, send }) {
  const open = (/** @type {string} */ tab) => send({ type: "ui", change: { tab } });
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = TABS.findIndex(([name]) => name === state.ui.tab);
    const to = step ? (at + step * (messages.direction === "rtl" ? -1 : 1) + TABS.length) % TABS.length : { Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    open(TABS[to][0]);
    document.getElementById(`tab-${TABS[to][0]}`)?.focus();
  };
  return h("div", { class: "tabs", role: "tablist", "aria-label": messages.text("tab.label"), key: "tabs", on: { keydown: move } },
    TABS.map(([name, sign]) => h("button", {
      type: "button", role: "tab", class: "tab", id: `tab-${name}`, key: name, "aria-selected": String(name === state.ui.tab), "aria-controls": "tabpanel",
      tabindex: name === state.ui.tab ? "0" : "-1", on: { click: () => open(name) },
    }, icon(sign), h("span", { class: "word" }, messages.text(`tab.${name}`)))));
}
