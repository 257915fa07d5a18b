// What the page that shows this desk in a frame may ask of it: to call a number (contract 2, Click To Call), and to go on
// with another token. Pure but for the listener.
//
// Who may: the page above this one. A browser shows the desk in a frame of those pages alone that `frame-ancestors` of its
// policy names, which is the gateway's own origin and those of `--allow-origin`; so the page above is one of them. All
// others (one that opened this window, one beside it) are refused, whatever they say.

import { dialable } from "./text.mjs";

const CALL_TYPES = new Set(["audio", "video", "screenshare"]);

/**
 * What a message asks for, or null: {call: number, media} or {token}.
 * @param {any} said
 * @returns {{call: string, media: string} | {token: string} | null}
 */
export function askedBy(said) {
  if (typeof said !== "object" || said === null) return null;
  if (said.SourceType === "CTI") {
    const number = dialable(String(said.Destination_Number ?? said.calledNumber ?? "").slice(0, 128));
    return number ? { call: number, media: CALL_TYPES.has(said.callType) ? said.callType : "audio" } : null;
  }
  return typeof said.token === "string" && said.token ? { token: said.token } : null;
}

/** Milliseconds between two reports of refused clicks: a page that sends many is not to use up what the agent may send. */
const REPORTED_EVERY = 10_000;

/**
 * Listen to the page above.
 * @param {(number: string, media: string) => void} call @param {(token: string) => void} renew
 * @param {(origin: string, times: number) => void} refused for the gateway's log
 */
export function listen(call, renew, refused) {
  let unreported = 0;
  let reported = -REPORTED_EVERY;
  addEventListener("message", (event) => {
    const asked = askedBy(event.data);
    if (!asked) return;
    const above = window.parent !== window && event.source === window.parent;
    if (!above && event.origin !== location.origin) {
      console.warn(`offhook: ${"token" in asked ? "token" : "click to call"} from ${event.origin} refused: it is not the page that shows this desk`);
      if ("token" in asked) return;
      unreported += 1;
      if (performance.now() < reported + REPORTED_EVERY) return;
      refused(event.origin.slice(0, 300), unreported);
      reported = performance.now();
      unreported = 0;
    } else if ("token" in asked) renew(asked.token);
    else call(asked.call, asked.media);
  });
}

/** Tell the page above that the log-in ends; nothing that is secret. @param {number} seconds */
export function askForToken(seconds) {
  if (window.parent !== window) window.parent.postMessage({ event: "tokenExpiring", seconds }, "*");
}
