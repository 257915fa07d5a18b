// One call.

import { icon } from "../icons.mjs";
import { can, consulting } from "../intents.mjs";
import { busy, chosen, live, partner } from "../model.mjs";
import { duration, reason, sentence } from "../text.mjs";
import { h } from "../vdom.mjs";
import { describe, keypad, towards } from "./panels.mjs";
import { button, foreign, named, number } from "./parts.mjs";

/** @typedef {import("../model.mjs").Call} Call @typedef {import("./parts.mjs").Context} Context */

const SIGNS = /** @type {Record<string, string>} */ ({ ringing: "bell", dialing: "out", active: "phone", held: "pause", ended: "hangup" });

/** What kind of call it is, in a word. @param {Call} call */
export function kindKey(call) {
  if (call.kind === "consult") return `kind.consult.${call.way}`;
  return call.kind === "call" ? `kind.${call.way}` : `kind.${call.kind}`;
}

/** @param {Context} context @param {Call} call */
export function card(context, call) {
  const { state, messages, send } = context;
  const t = messages.text.bind(messages);
  const phase = call.phase === "ended" && call.goesOn ? "passed" : call.phase;
  const own = chosen(state)?.id === call.id && live(state).length > 1;
  const panel = state.ui.panels[call.id];
  const label = t("call.label", { kind: t(kindKey(call)), number: call.number || t("call.unknown"), phase: t(`phase.${phase}`) });
  return h(
    "article", {
      class: `card ${call.phase}`, key: `call-${call.id}`, "aria-label": label, tabindex: "-1",
      data: { call: call.id, phase: call.phase, kind: call.kind, chosen: own ? "yes" : "no" },
      on: { focusin: () => send({ type: "choose", call: call.id }), pointerdown: () => send({ type: "choose", call: call.id }) },
    },
    h("div", { class: "head" },
      h("p", { class: `chip ${call.phase}`, data: { chip: phase } }, icon(call.kind === "monitoring" && call.phase === "active" ? "ear" : SIGNS[call.phase]), h("span", null, t(`phase.${phase}`))),
      h("span", { class: "kind" }, t(kindKey(call))),
      h("span", { class: "time", role: "timer", "aria-label": t("call.duration") }, time(state, call))),
    h("div", { class: "who" },
      h("h2", null, call.number ? number(call.number) : t("call.unknown")),
      facts(context, call)),
    call.phase === "ended" ? ending(context, call) : null,
    call.kind === "conference" && call.members.length ? members(context, call) : null,
    pictures(context, call),
    call.kind === "monitoring" && call.phase === "active" ? h("p", { class: "note", key: "listening" }, icon(call.listening === "whisper" ? "whisper" : "ear"), h("span", null, t(`listen.state.${call.listening}`))) : null,
    actions(context, call),
    panel?.name === "keypad" ? keypad(context, call) : null,
    panel?.name === "transfer" || panel?.name === "consult" ? towards(context, call, panel) : null,
    panel?.name === "details" ? describe(context, call, panel) : details(context, call),
  );
}

/** @param {import("../model.mjs").State} state @param {Call} call */
function time(state, call) {
  if (call.phase === "ended") return call.answered === null ? "" : duration(((call.ended ?? 0) - call.answered) / 1000);
  // A held call shows how long the caller waits.
  const from = call.phase === "held" ? call.since : call.answered ?? call.began;
  return duration((state.now - from) / 1000);
}

/** @param {Context} context @param {Call} call */
function facts({ messages, state }, call) {
  const t = messages.text.bind(messages);
  const about = call.about ? live(state).find((each) => each.id === call.about) : null;
  const rows = [
    call.queue ? [t("call.queue"), foreign(call.queue)] : null,
    call.customer ? [t("call.customer"), number(call.customer)] : null,
    about ? [t("call.about"), number(about.number)] : null,
  ].filter((row) => row !== null);
  const marks = [
    call.muted && call.kind !== "monitoring" ? h("span", { class: "mark warn", key: "muted" }, icon("micOff"), t("call.muted")) : null,
    call.remoteHold ? h("span", { class: "mark", key: "remote" }, icon("pause"), t("call.remoteHold")) : null,
    quality(messages, call),
  ].filter((mark) => mark !== null);
  return [
    rows.length ? h("dl", { class: "facts", key: "facts" }, rows.map(([name, value], at) => h("div", { key: `r${at}` }, h("dt", null, name), h("dd", null, value)))) : null,
    marks.length ? h("p", { class: "marks", key: "marks" }, marks) : null,
  ];
}

/** @param {import("../text.mjs").Messages} messages @param {Call} call */
function quality(messages, call) {
  const { quality: found } = call;
  if (!found || call.phase === "ended") return null;
  const band = messages.text(`quality.${found.band}`);
  const shown = (/** @type {number | null} */ value, /** @type {number} */ places) => (value === null ? "–" : value.toFixed(places));
  const known = found.warning && messages.has(`warning.${found.warning}`) ? found.warning : "other";
  const details = messages.text("quality.details", { mos: shown(found.mos, 1), loss: shown(found.loss, 1), jitter: shown(found.jitter, 0), roundTrip: shown(found.roundTrip, 0) });
  return h("span", { class: `mark quality ${found.band}`, key: "quality", title: details, data: { quality: found.band } },
    icon({ good: "signal3", fair: "signal2", poor: "signal1" }[found.band]),
    h("span", { class: "unseen" }, `${messages.text("quality.title")}: `), found.warning ? messages.text(`warning.${known}`) : band,
    h("span", { class: "unseen" }, ` ${details}`));
}

/** @param {Context} context @param {Call} call */
function ending({ messages, act, send }, call) {
  const why = call.refusal ? reason(messages, call.refusal) ?? (messages.has(`error.${call.refusal}`) ? sentence(messages, call.refusal) : null) : reason(messages, call.reason);
  return h("div", { class: "ending", key: "ending" },
    h("p", null, why ?? messages.text(call.goesOn ? "call.ended.passed" : "call.ended.plain")),
    h("div", { class: "row" },
      call.raw && call.kind === "call" && !call.goesOn ? button({ word: messages.text("call.again"), icon: "phone", kind: "small", key: "again", data: { do: "again" }, on: () => act({ do: "dial", number: call.raw, back: true }) }) : null,
      button({ word: messages.text("call.dismiss"), icon: "close", bare: true, kind: "quiet", key: "dismiss", data: { do: "dismiss" }, on: () => send({ type: "dismissCall", call: call.id }) })));
}

/** @param {Context} context @param {Call} call */
function members({ messages, state, act }, call) {
  const t = messages.text.bind(messages);
  const line = (/** @type {any} */ who, /** @type {any} */ each, /** @type {any} */ more) => [
    icon("user"), who,
    each.phase === "held" ? h("span", { class: "mark", key: "held" }, icon("pause"), t("phase.held")) : null,
    each.muted ? h("span", { class: "mark warn", key: "muted" }, icon("micOff"), t("call.muted")) : null,
    more,
  ];
  return h("section", { class: "members", key: "members", "aria-label": t("call.members") },
    h("h3", null, t("call.members")),
    h("ul", null,
      h("li", { key: "own" }, line(h("span", { class: "name" }, t("call.you")), { phase: call.phase, muted: call.muted }, null)),
      call.members.map((each, at) => h("li", { key: `m-${at}-${each.number}` }, line(h("span", { class: "name" }, number(each.number)), each,
        button({ word: t("call.drop"), label: t("call.drop.long", { number: each.number }), icon: "close", kind: "small", busy: busy(state, "dropParticipant", call.id), on: () => act({ do: "drop", call: call.id, participant: each.number }) }))))));
}

/** @param {Context} context @param {Call} call */
function details({ messages, send, state }, call) {
  if (call.phase === "ended" || (!call.variables.length && !can("describe", call))) return null;
  const change = can("describe", call)
    ? button({ word: messages.text(call.variables.length ? "call.details.change" : "call.details.add"), icon: "pencil", kind: "small quiet", key: "describe", data: { do: "details" }, on: () => send({ type: "panel", call: call.id, panel: { name: "details" } }) })
    : null;
  if (!call.variables.length) return h("div", { class: "row start", key: "details-none" }, change);
  const open = state.ui.panels[`${call.id} details`]?.name !== "closed";
  return h("details", { class: "details", key: "details", open, on: { toggle: (/** @type {any} */ event) => {
    if (event.target.open !== open) send({ type: "panel", call: `${call.id} details`, panel: event.target.open ? null : { name: "closed" } });
  } } },
    h("summary", null, messages.text("call.variables")),
    h("div", { class: "scroll", tabindex: "0", "aria-label": messages.text("call.variables"), role: "group" },
      h("dl", null, call.variables.map((each, at) => h("div", { key: `v${at}` }, h("dt", null, named(messages, each.name)), h("dd", null, foreign(each.value)))))),
    change);
}

/** @param {Context} context @param {Call} call */
function pictures({ tools, messages }, call) {
  const streams = tools.streams?.(call.id);
  if (!streams || call.phase === "ended") return null;
  const shown = [
    streams.remote ? h("video", { key: "remote", autoplay: true, playsInline: true, muted: true, srcObject: streams.remote, "aria-label": messages.text("video.remote", { number: call.number }) }) : null,
    streams.local ? h("video", { key: "local", class: "own", autoplay: true, playsInline: true, muted: true, srcObject: streams.local, "aria-label": messages.text("video.local") }) : null,
  ].filter((each) => each !== null);
  return shown.length ? h("div", { class: "pictures", key: "pictures" }, shown) : null;
}

/** What can be done with the call now. @param {Context} context @param {Call} call */
function actions(context, call) {
  if (call.phase === "ended") return null;
  const lists = call.phase === "ringing" ? ringing(context, call) : call.kind === "monitoring" ? listening(context, call) : talking(context, call);
  return h("div", { class: "actions", key: "actions", role: "group", "aria-label": context.messages.text("call.actions", { number: call.number }) }, lists);
}

/** @param {Context} context @param {Call} call */
function ringing(context, call) {
  const { state, messages, act } = context;
  const t = messages.text.bind(messages);
  const answering = busy(state, "answerCall", call.id);
  return [
    button({ word: t("do.answer"), icon: "phone", kind: "go big", key: "answer", keys: "a", busy: answering, data: { do: "answer" }, on: () => act({ do: "answer", call: call.id }) }),
    button({ word: t("do.reject"), icon: "hangup", kind: "stop big", key: "reject", keys: "r", busy: busy(state, "rejectCall", call.id), data: { do: "reject" }, on: () => act({ do: "reject", call: call.id }) }),
    call.media === "audio" ? null : h("div", { class: "others", key: "others" }, answers(context, call, answering)),
  ];
}

/** Other answers to a call that shows something: to show the camera too, or only to watch. @param {Context} context @param {Call} call @param {boolean} answering */
function answers({ state, messages, act }, call, answering) {
  const one = (/** @type {string} */ name, /** @type {string} */ media, /** @type {string} */ sign) =>
    button({ word: messages.text(`do.answer.${name}`), label: messages.text(`do.answer.${name}.long`), icon: sign, key: `answer-${name}`, busy: answering, data: { do: `answer-${name}` }, on: () => act({ do: "answer", call: call.id, media }) });
  return [
    state.media.video ? one("video", "video", "video") : null,
    state.media.screen && call.media === "screenshare" ? one("screenshare", "screenshare", "screen") : null,
    state.media.video ? one("watch", "onlyviewscreenshare", "eye") : null,
  ];
}

/** @param {Context} context @param {Call} call */
function listening({ state, messages, act }, call) {
  const t = messages.text.bind(messages);
  const whispers = call.listening === "whisper";
  return [
    call.phase === "active" ? button({ word: whispers ? t("do.whisper.off") : t("do.whisper"), icon: "whisper", key: "whisper", pressed: whispers, busy: busy(state, "whisper", call.id), data: { do: "whisper" }, on: () => act({ do: "whisper", call: call.id }) }) : null,
    call.phase === "active" ? button({ word: t("do.barge"), icon: "barge", key: "barge", busy: busy(state, "bargeIn", call.id), data: { do: "barge" }, on: () => act({ do: "barge", call: call.id }) }) : null,
    button({ word: t("do.stopListening"), icon: "close", kind: "stop", key: "hangup", busy: busy(state, "releaseCall", call.id), data: { do: "hangup" }, on: () => act({ do: "hangup", call: call.id }) }),
  ];
}

/** @param {Context} context @param {Call} call */
function talking(context, call) {
  const { state, messages, act, send } = context;
  const t = messages.text.bind(messages);
  const open = state.ui.panels[call.id]?.name;
  const toggle = (/** @type {"keypad" | "transfer" | "consult"} */ name) => () => send({ type: "panel", call: call.id, panel: open === name ? null : { name } });
  const other = partner(state, call);
  const others = live(state).filter((each) => each.phase === "active" && each.id !== call.id);
  const both = other !== null && consulting(state, call);
  const simple = (/** @type {string} */ name, /** @type {any} */ more) => button({ word: t(`do.${name}`), key: name, data: { do: name }, on: () => act({ do: name, call: call.id }), ...more });
  return [
    both && call.kind === "consult" ? simple("complete", { icon: "complete", kind: "main", keys: "g", busy: busy(state, "consultTransfer", call.id) }) : null,
    both && call.kind === "consult" ? simple("conference", { icon: "conference", keys: "f", busy: busy(state, "conference_consult", call.id) }) : null,
    both && call.kind === "consult" ? simple("swap", { icon: "swap", keys: "s", busy: busy(state, "holdCall", call.id) || busy(state, "retrieveCall", other.id) }) : null,
    can("retrieve", call) ? simple("retrieve", { word: others.length ? t("do.switch") : t("do.retrieve"), label: others.length ? t("do.switch.long") : undefined, icon: "play", kind: "main", keys: "h", busy: busy(state, "retrieveCall", call.id) }) : null,
    can("hold", call) ? simple("hold", { icon: "pause", keys: "h", busy: busy(state, "holdCall", call.id) }) : null,
    can("mute", call) ? button({ word: call.muted ? t("do.unmute") : t("do.mute"), icon: call.muted ? "micOff" : "mic", key: "mute", keys: "m", kind: call.muted ? "lit" : "", pressed: call.muted, data: { do: "mute" }, busy: busy(state, "mute_call", call.id) || busy(state, "unmute_call", call.id), on: () => act({ do: "toggleMute", call: call.id }) }) : null,
    can("digits", call) ? button({ word: t("do.keypad"), icon: "keypad", key: "keypad", keys: "k", expanded: open === "keypad", data: { do: "keypad" }, on: toggle("keypad") }) : null,
    can("transfer", call) && !other ? button({ word: t("do.transfer"), icon: "transfer", key: "transfer", keys: "t", expanded: open === "transfer", data: { do: "transfer" }, on: toggle("transfer") }) : null,
    can("consult", call) && !other ? button({ word: t("do.consult"), icon: "consult", key: "consult", keys: "c", expanded: open === "consult", data: { do: "consult" }, on: toggle("consult") }) : null,
    ...streams(context, call),
    button({ word: call.phase === "dialing" ? t("do.cancel") : t("do.hangup"), icon: "hangup", kind: "stop", key: "hangup", keys: "Shift+E", data: { do: "hangup" }, busy: busy(state, "releaseCall", call.id), on: () => act({ do: "hangup", call: call.id }) }),
  ];
}

/** Camera and screen, where this page has the media. @param {Context} context @param {Call} call */
function streams({ state, messages, act }, call) {
  if (!can("convert", call)) return [];
  const one = (/** @type {"video" | "screenshare"} */ stream, /** @type {string} */ sign) => {
    const on = call.sends[stream];
    return button({ word: messages.text(`do.${stream === "video" ? "video" : "screenshare"}.${on ? "off" : "on"}`), icon: sign, key: stream, pressed: on, kind: on ? "lit" : "", data: { do: stream }, busy: busy(state, "convertCall", call.id), on: () => act({ do: "convert", call: call.id, stream, on: !on }) });
  };
  return [state.media.video ? one("video", "video") : null, state.media.screen ? one("screenshare", "screen") : null];
}
