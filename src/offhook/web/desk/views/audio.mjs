// Microphone, loudspeaker, camera, and how this desk is to be.

import { h } from "../vdom.mjs";
import { button, choice } from "./parts.mjs";

/** @param {import("./parts.mjs").Context} context */
export function audio(context) {
  const { messages } = context;
  const t = messages.text.bind(messages);
  return h("section", { class: "settings", key: "audio", "aria-labelledby": "settings-title" },
    h("h2", { id: "settings-title", class: "unseen" }, t("audio.title")),
    devices(context), preferences(context));
}

/** @param {import("./parts.mjs").Context} context */
function devices({ state, messages, tools }) {
  const t = messages.text.bind(messages);
  const { media } = state;
  const listed = (/** @type {{id: string, label: string}[]} */ from) => [{ id: "", label: t("audio.default") }, ...from.filter((each) => each.id && each.id !== "default")];
  const said = media.kind === "none" ? "audio.none" : media.denied ? `audio.${media.why}` : media.elsewhere ? "audio.elsewhere" : !media.ready ? "audio.unknown" : null;
  return h("div", { class: "group", key: "devices" },
    h("h3", null, t("audio.devices")),
    said ? h("p", { class: "hint", key: "said" }, t(said)) : null,
    media.kind !== "none" && (!media.ready || media.denied) ? button({ word: t("audio.allow"), icon: "mic", kind: "main", key: "allow", on: tools.allow }) : null,
    media.elsewhere ? button({ word: t("audio.takeOver"), icon: "headset", kind: "main", key: "take", on: tools.takeOver }) : null,
    media.kind !== "none" ? choice({ id: "microphone", label: t("audio.microphone"), value: media.microphone, options: listed(media.microphones), on: (microphone) => tools.use({ microphone }) }) : null,
    media.ready ? h("div", { class: "field", key: "level" }, h("label", { for: "level" }, t("audio.level")),
      h("meter", { id: "level", min: "-60", max: "0", low: "-48", high: "-6", optimum: "-20", value: -60, "aria-describedby": "level-hint", live: tools.meter }),
      h("p", { class: "hint", id: "level-hint" }, t("audio.level.hint"))) : null,
    media.ready ? h("label", { class: "check", key: "processing" }, h("input", { type: "checkbox", id: "set-processing", checked: media.processing, on: { change: (/** @type {any} */ event) => tools.use({ processing: event.target.checked }) } }), h("span", null, t("audio.processing"))) : null,
    media.ready && media.speakers.length ? choice({ id: "speaker", label: t("audio.speaker"), value: media.speaker, options: listed(media.speakers), on: (speaker) => tools.use({ speaker }) }) : null,
    button({ word: media.testing ? t("audio.testing") : t("audio.test"), icon: "note", key: "test", busy: media.testing, on: tools.testTone }),
    media.ready && media.cameras.length ? choice({ id: "camera", label: t("audio.camera"), value: media.camera, options: listed(media.cameras), on: (camera) => tools.use({ camera }) }) : null);
}

/** @param {import("./parts.mjs").Context} context */
function preferences({ state, messages, tools }) {
  const t = messages.text.bind(messages);
  const { ui } = state;
  const tick = (/** @type {"ringer" | "shortcuts"} */ name) =>
    h("label", { class: "check", key: name }, h("input", { type: "checkbox", id: `set-${name}`, checked: ui[name], on: { change: (/** @type {any} */ event) => tools.remember({ [name]: event.target.checked }) } }), h("span", null, t(`audio.${name}`)));
  return h("div", { class: "group", key: "preferences" },
    h("h3", null, t("audio.preferences")),
    tick("ringer"), tick("shortcuts"),
    choice({ id: "theme", label: t("audio.theme"), value: ui.theme, options: ["auto", "light", "dark"].map((id) => ({ id, label: t(`audio.theme.${id}`) })), on: (theme) => tools.remember({ theme }) }),
    choice({ id: "language", label: t("audio.language"), value: ui.language || messages.language, options: tools.languages, on: tools.speak }));
}
