// The keyboard: which key means what. Pure. One table for the page that explains them and for what they do.

/** @typedef {{key: string, shift?: boolean, does: string, shown: string}} Shortcut */

/** @type {Shortcut[]} */
export const SHORTCUTS = [
  { key: "n", does: "number", shown: "N" },
  { key: "a", does: "answer", shown: "A" },
  { key: "r", does: "reject", shown: "R" },
  { key: "h", does: "toggleHold", shown: "H" },
  { key: "m", does: "toggleMute", shown: "M" },
  { key: "k", does: "keypad", shown: "K" },
  { key: "t", does: "transfer", shown: "T" },
  { key: "c", does: "consult", shown: "C" },
  { key: "s", does: "swap", shown: "S" },
  { key: "g", does: "complete", shown: "G" },
  { key: "f", does: "conference", shown: "F" },
  { key: "e", shift: true, does: "hangup", shown: "Shift + E" },
  { key: "j", does: "next", shown: "J" },
  { key: "escape", does: "close", shown: "Esc" },
  { key: "?", does: "help", shown: "?" },
];

/**
 * What a key means outside of a field, or null.
 * @param {{key: string, code?: string, shiftKey: boolean, ctrlKey: boolean, altKey: boolean, metaKey: boolean}} event
 * @returns {string | null}
 */
export function meaning(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  if (event.key === "?") return "help";
  // On a keyboard of another script the place of the key counts.
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : /^Key([A-Z])$/.exec(event.code ?? "")?.[1].toLowerCase();
  const key = event.key === "Escape" ? "escape" : letter;
  const found = SHORTCUTS.find((each) => each.key === key && Boolean(each.shift) === (key === "escape" ? false : event.shiftKey));
  return found?.does ?? null;
}
