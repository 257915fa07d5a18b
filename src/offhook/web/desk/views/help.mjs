// The dialog that explains the keyboard.

import { SHORTCUTS } from "../keys.mjs";
import { h } from "../vdom.mjs";
import { button } from "./parts.mjs";

/** @param {import("./parts.mjs").Context} context */
export function help({ state, messages, send }) {
  const t = messages.text.bind(messages);
  const close = () => send({ type: "ui", change: { help: false } });
  return h("dialog", {
    class: "help", key: "help", "aria-labelledby": "help-title",
    on: { close, cancel: close },
    live: (/** @type {HTMLDialogElement} */ element) => {
      if (state.ui.help && !element.open) element.showModal();
      if (!state.ui.help && element.open) element.close();
    },
  },
    state.ui.help ? [
      h("div", { class: "panelhead", key: "head" }, h("h2", { id: "help-title" }, t("help.title")), button({ word: t("do.close"), icon: "close", bare: true, kind: "quiet", on: close })),
      h("p", { key: "note" }, t("help.note")),
      h("dl", { class: "keys", key: "keys" }, SHORTCUTS.map((each) => h("div", { key: each.does }, h("dt", null, h("kbd", { dir: "ltr" }, each.shown)), h("dd", null, t(`shortcut.${each.does}`))))),
      h("p", { key: "typing" }, t("help.typing")),
      h("p", { key: "tab" }, t("help.tab")),
    ] : null);
}
