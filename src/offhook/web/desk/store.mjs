// What the desk remembers on this computer: how it is to be, and the calls of this tab's session. Never a password.

const SETTINGS = "offhook.desk";
const KNOWN = ["theme", "language", "shortcuts", "ringer", "extension", "microphone", "speaker", "camera", "processing"];

/** @param {Storage | undefined} storage @param {string} key */
function read(storage, key) {
  try {
    return JSON.parse(storage?.getItem(key) ?? "null");
  } catch {
    return null; // forbidden, or somebody else's
  }
}

/** @param {Storage | undefined} storage @param {string} key @param {any} value */
function write(storage, key, value) {
  try {
    storage?.setItem(key, JSON.stringify(value));
  } catch {
    // Forbidden, or full: it is remembered until the page is closed.
  }
}

/** @returns {Record<string, any>} */
export function settings() {
  const found = read(globalThis.localStorage, SETTINGS);
  if (typeof found !== "object" || found === null) return {};
  const kinds = /** @type {Record<string, string>} */ ({ shortcuts: "boolean", ringer: "boolean", processing: "boolean" });
  return Object.fromEntries(KNOWN.filter((key) => typeof found[key] === (kinds[key] ?? "string")).map((key) => [key, found[key]]));
}

/** @param {Record<string, any>} change */
export function remember(change) {
  write(globalThis.localStorage, SETTINGS, { ...settings(), ...change });
}

/** @param {string} extension @returns {any[]} */
export function pastOf(extension) {
  const found = read(globalThis.sessionStorage, `offhook.past.${extension}`);
  return Array.isArray(found) ? found.filter((each) => each && typeof each.id === "string" && typeof each.number === "string" && typeof each.began === "number") : [];
}

/** @param {string} extension @param {any[]} past */
export function keepPast(extension, past) {
  write(globalThis.sessionStorage, `offhook.past.${extension}`, past);
}
