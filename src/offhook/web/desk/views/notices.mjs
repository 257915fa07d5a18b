// What went wrong, in a sentence, until it is read.

import { icon } from "../icons.mjs";
import { live } from "../model.mjs";
import { sentence } from "../text.mjs";
import { h } from "../vdom.mjs";
import { button, number } from "./parts.mjs";

/** @param {import("./parts.mjs").Context} context */
export function notices(context) {
  const { state, messages, send, tools } = context;
  const t = messages.text.bind(messages);
  const blocked = state.media.blocked
    ? h("div", { class: "notice warning", key: "blocked" }, icon("warning"), h("p", null, t("audio.blocked")), button({ word: t("audio.unblock"), kind: "small", on: tools.unblock }))
    : null;
  return h("section", { class: "notices", key: "notices", "aria-label": t("notices.label") },
    blocked,
    leaving(context),
    state.notices.map((each) => {
      const call = state.calls.find((one) => one.id === each.call);
      return h("div", { class: `notice ${each.level}`, key: `n${each.id}`, role: each.level === "info" ? "status" : "alert", data: { code: each.code ?? each.key ?? "" } },
        icon(each.level === "info" ? "info" : "warning"),
        h("p", null, h("span", { class: "unseen" }, `${t(`level.${each.level}`)}: `), each.number || call?.number ? [number(each.number || (call?.number ?? "")), ": "] : null, each.code ? sentence(messages, each.code) : t(each.key ?? "", each.values)),
        button({ word: t("do.dismiss"), icon: "close", bare: true, kind: "quiet", on: () => send({ type: "dismiss", id: each.id }) }));
    }));
}

/** Who logs out in a call is asked first: it ends the call. @param {import("./parts.mjs").Context} context */
function leaving({ state, messages, send, tools }) {
  if (!state.ui.leaving || !live(state).length) return null;
  return h("div", { class: "notice warning", key: "leaving", role: "alert", data: { code: "leaving" } }, icon("warning"),
    h("p", null, messages.text("logout.ask")),
    button({ word: messages.text("logout.end"), kind: "small stop", key: "end", data: { do: "leave" }, on: tools.leave }),
    button({ word: messages.text("logout.stay"), kind: "small", key: "stay", data: { do: "stay" }, on: () => send({ type: "ui", change: { leaving: false } }) }));
}
