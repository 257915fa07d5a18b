// The number field and the dial pad.

import { icon } from "../icons.mjs";
import { busy } from "../model.mjs";
import { dialable } from "../text.mjs";
import { h } from "../vdom.mjs";
import { button, field, pad } from "./parts.mjs";

/** @param {import("./parts.mjs").Context} context */
export function dial(context) {
  const { state, messages, send, act } = context;
  const t = messages.text.bind(messages);
  const typed = state.ui.number;
  const type = (/** @type {string} */ number) => send({ type: "ui", change: { number: number.slice(0, 128) } });
  const last = state.history.find((past) => past.way === "out" && past.raw);
  const call = () => {
    if (!dialable(typed)) return last && !typed ? type(last.raw) : undefined;
    act({ do: "dial", number: typed });
  };
  const showing = (/** @type {string} */ media, /** @type {string} */ sign, /** @type {boolean} */ possible) => possible
    ? button({ word: t(`dial.${media}`), icon: sign, bare: true, kind: "tall", key: media, off: !dialable(typed), data: { do: `dial-${media}` }, on: () => act({ do: "dial", number: typed, media }) })
    : null;
  return h(
    "form", { class: "dial", key: "dial", on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); call(); } } },
    h("h2", { class: "unseen" }, t("dial.title")),
    h("div", { class: "numberline" },
      field({ id: "number", label: t("dial.number"), value: typed, mode: "tel", most: 128, enter: "go", on: type }),
      button({ word: t("dial.erase"), icon: "backspace", bare: true, kind: "quiet", key: "erase", off: !typed, on: () => type(Array.from(typed).slice(0, -1).join("")) })),
    pad(context, t("dial.pad"), (digit) => type(typed + digit)),
    h("div", { class: "callline", key: "callline" }, h("button", { type: "submit", key: "call", class: "button go wide", "aria-disabled": busy(state, "makeCall") || (!typed && !last) ? "true" : null },
      typed || !last ? icon("phone") : null, callWord(t, typed, last?.number)),
    showing("video", "video", state.media.video), showing("screenshare", "screen", state.media.screen)),
  );
}

/** @param {(key: string, values?: any) => string} t @param {string} typed @param {string | undefined} last */
function callWord(t, typed, last) {
  return h("span", { class: "word" }, !typed && last ? t("dial.last", { number: `\u2068${last}\u2069` }) : t("dial.call"));
}
