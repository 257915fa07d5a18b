// What went wrong, in a sentence, until it is read.

import { icon } from "../icons.mjs";
import { sentence } from "../text.mjs";
import { h } from "../vdom.mjs";
import { button, number } from "./parts.mjs";

/** @param {import("./parts.mjs").Context} context */
export function notices({ state, messages, send, tools }) {
  const t = messages.text.bind(messages);
  const blocked = state.media.blocked
    ? h("div", { class: "notice warning", key: "blocked" }, icon("warning"), h("p", null, t("audio.blocked")), button({ word: t("audio.unblock"), kind: "small", on: tools.unblock }))
    : null;
  return h("section", { class: "notices", key: "notices", "aria-label": t("notices.label") },
    blocked,
    state.notices.map((each) => {
      const call = state.calls.find((one) => one.id === each.call);
      return h("div", { class: `notice ${each.level}`, key: `n${each.id}`, role: each.level === "info" ? "status" : "alert", data: { code: each.code ?? each.key ?? "" } },
        icon(each.level === "info" ? "info" : "warning"),
        h("p", null, h("span", { class: "unseen" }, `${t(`level.${each.level}`)}: `), call?.number ? [number(call.number), ": "] : null, each.code ? sentence(messages, each.code) : t(each.key ?? "", each.values)),
        button({ word: t("do.dismiss"), icon: "close", bare: true, kind: "quiet", on: () => send({ type: "dismiss", id: each.id }) }));
    }));
}
