// The bar above all: who one is, whether calls can come, and what concerns the whole page.

import { icon } from "../icons.mjs";
import { busy } from "../model.mjs";
import { h } from "../vdom.mjs";
import { button, number } from "./parts.mjs";

const THEMES = /** @type {Record<string, [string, string]>} */ ({ auto: ["auto", "light"], light: ["sun", "dark"], dark: ["moon", "auto"] });

/** Whether calls can come and go, as one word: ready, or why not. @param {import("../model.mjs").State} state */
export function readiness(state) {
  if (state.connection !== "open") return state.connection;
  if (state.registration === "OUT_OF_SERVICE") return "out";
  if (state.registration !== "IN_SERVICE") return "registering";
  return audible(state) === "denied" ? "silent" : "ready";
}

/** Where the audio of the calls is: here, elsewhere, denied by the browser, none (another phone), unknown. @param {import("../model.mjs").State} state */
function audible({ media }) {
  if (media.kind !== "browser") return media.kind;
  if (media.elsewhere) return "elsewhere";
  return media.ready ? "here" : media.denied ? "denied" : "unknown";
}

/** @param {import("./parts.mjs").Context} context */
export function bar({ state, messages, send, tools }) {
  const t = messages.text.bind(messages);
  const ready = readiness(state);
  const sound = audible(state);
  const [picture, next] = THEMES[state.ui.theme] ?? THEMES.auto;
  return h(
    "header", { class: "bar", key: "bar", data: { audio: sound } },
    h("div", { class: "brand" }, icon("phone"), h("span", null, t("app"))),
    h("button", {
      type: "button", class: `readiness ${ready === "ready" ? "good" : "bad"}`, title: `${t(`state.${ready}.long`)} ${t("bar.look")}`, data: { readiness: ready, do: "look" },
      "aria-busy": busy(state, "getState") ? "true" : null, "aria-disabled": state.connection === "open" ? null : "true", on: { click: () => state.connection === "open" && tools.look() },
    }, icon(ready === "ready" ? "online" : "offline"), h("span", { class: "word" }, t(`state.${ready}`)), h("span", { class: "unseen" }, `: ${t(`state.${ready}.long`)} ${t("bar.look")}`)),
    sound === "denied" || sound === "elsewhere"
      ? h("button", { type: "button", class: "readiness bad", key: "audio", on: { click: () => send({ type: "ui", change: { tab: "audio" } }) } }, icon("micOff"), h("span", { class: "word" }, t(`bar.audio.${sound}`)))
      : null,
    h("p", { class: "agent" }, icon("user"), h("span", { class: "unseen" }, t("bar.agent", { number: "" })), number(state.agent?.extension ?? "")),
    button({ word: t(`bar.theme.${state.ui.theme}`), icon: picture, bare: true, kind: "quiet", key: "theme", on: () => tools.remember({ theme: next }) }),
    button({ word: t("bar.help"), icon: "help", bare: true, kind: "quiet", key: "help", keys: "?", on: () => send({ type: "ui", change: { help: true } }) }),
    button({ word: t("bar.logout"), icon: "logout", bare: true, kind: "quiet", key: "logout", on: tools.logout }),
  );
}
