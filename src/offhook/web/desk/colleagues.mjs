// Who else is in a call, for supervisors: what the gateway's REST tells to who was logged in by a token.

/** Milliseconds between two questions, while somebody looks. */
const PAUSE = 3000;

export class Colleagues {
  /** @param {(input: any) => void} send @param {string} token or "" */
  constructor(send, token) {
    this._send = send;
    this.token = token;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this._timer = undefined;
    this._looking = false;
  }

  /** Whether somebody looks. @param {boolean} looking */
  look(looking) {
    if (looking === this._looking || !this.token) return;
    this._looking = looking;
    clearTimeout(this._timer);
    if (looking) void this._ask();
  }

  async _ask() {
    const agents = await this._agents().catch(() => null);
    if (!this._looking) return;
    if (agents) this._send({ type: "agents", agents, supervisor: roleOf(this.token) === "supervisor" });
    // What is refused stays refused until the next log-in: then there is the number field.
    if (agents !== undefined) this._timer = setTimeout(() => void this._ask(), PAUSE);
  }

  /** The agents; undefined where they are not for us. */
  async _agents() {
    const answer = await fetch(new URL("../api/v1/agents", location.href), { headers: { Authorization: `Bearer ${this.token}` }, cache: "no-store" });
    if (!answer.ok) return undefined;
    return (await answer.json()).agents;
  }
}

/** What a token says of itself; the gateway alone can tell whether it is true. @param {string} token @returns {Record<string, any>} */
export function claimsOf(token) {
  try {
    const text = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (each) => each.charCodeAt(0))));
  } catch {
    return {};
  }
}

/** @param {string} token */
function roleOf(token) {
  return claimsOf(token).role ?? "agent";
}
