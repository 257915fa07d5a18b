// The log-in page.

import { icon } from "../icons.mjs";
import { sentence } from "../text.mjs";
import { h } from "../vdom.mjs";
import { field } from "./parts.mjs";

/** Problems that another extension or password mends. */
const MISTYPED = new Set(["empty", "credentials-refused", "proof-refused", "missing-parameter", "invalid-parameter"]);

/** @param {import("./parts.mjs").Context} context */
export function login(context) {
  const { state, messages, send, tools } = context;
  const t = messages.text.bind(messages);
  const { pending, code, extension } = state.login;
  const mistyped = code !== null && MISTYPED.has(code);
  const problem = code === null ? null : code === "empty" ? t("login.missing") : sentence(messages, code);
  return h(
    "main", { class: "login", key: "login", id: "main" },
    h("form", { class: "sheet", novalidate: true, on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); tools.login(); } } },
      h("div", { class: "brand" }, icon("phone"), h("span", null, t("app"))),
      h("h1", null, t("login.title")),
      h("div", { class: "problem", role: "alert", id: "login-problem" }, problem ? [icon("warning"), h("p", { key: "p" }, problem)] : null),
      field({ id: "extension", label: t("login.extension"), value: extension, complete: "username", required: true, most: 64, invalid: mistyped, describedby: "login-problem", on: (value) => send({ type: "login", change: { extension: value } }) }),
      field({ id: "password", label: t("login.password"), value: tools.password(), type: "password", complete: "current-password", required: true, most: 1024, invalid: mistyped, describedby: "login-problem", enter: "go", on: tools.typePassword }),
      h("button", { type: "submit", class: "button main wide", "aria-disabled": pending ? "true" : null, "aria-busy": pending ? "true" : null }, h("span", { class: "word" }, pending ? t("login.pending") : t("login.button"))),
      h("p", { class: "hint" }, state.connection === "closed" && pending ? t("login.waiting") : t("login.microphone"))),
  );
}
