// Many agents of SIP.js in this one process, as gateway.py orders by lines of JSON: {"do": "login", "count"}, {"do": "call"},
// {"do": "release"}, {"do": "rest"}; each is answered by one line when it is done.
//
// Their descriptions are the text given as the third argument: media is nobody's here.
import { createInterface } from "node:readline";

import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from "sip.js";
import WebSocket from "ws";

const [server, domain, offer] = process.argv.slice(2);
globalThis.WebSocket = WebSocket;

const agents = [];
const descriptions = () => ({
  getDescription: async () => ({ body: offer, contentType: "application/sdp" }),
  setDescription: async () => undefined,
  hasDescription: (type) => type === "application/sdp",
  rollbackDescription: async () => undefined,
  holdModifier: async (description) => description,
  sendDtmf: () => false,
  close: () => undefined,
});

async function logIn(number) {
  const agent = new UserAgent({
    uri: UserAgent.makeURI(`sip:${number}@${domain}`),
    transportOptions: { server },
    authorizationUsername: number,
    authorizationPassword: "1234",
    sessionDescriptionHandlerFactory: descriptions,
    logBuiltinEnabled: false,
    logLevel: "error",
  });
  await agent.start();
  const registerer = new Registerer(agent, { expires: 600 });
  await new Promise((resolve, reject) => {
    registerer.stateChange.addListener((state) => state === RegistererState.Registered && resolve());
    registerer.register({ requestDelegate: { onReject: ({ message }) => reject(new Error(`REGISTER ${message.statusCode}`)) } });
  });
  agents.push({ agent, registerer, session: null });
}

function reach(session, wanted) {
  return new Promise((resolve, reject) => {
    session.stateChange.addListener((state) => {
      if (state === wanted) resolve();
      else if (state === SessionState.Terminated) reject(new Error("the call was refused"));
    });
  });
}

async function call(each) {
  each.session = new Inviter(each.agent, UserAgent.makeURI(`sip:9196@${domain}`));
  const established = reach(each.session, SessionState.Established);
  await each.session.invite();
  await established;
}

async function release(each) {
  const ended = reach(each.session, SessionState.Terminated);
  await each.session.bye();
  await ended;
  each.session = null;
}

/** In tens, as gateway.py does with Offhook's. */
async function inTens(items, work) {
  const waiting = [...items];
  await Promise.all(Array.from({ length: 10 }, async () => {
    while (waiting.length) await work(waiting.shift());
  }));
}

const doing = {
  login: ({ count }) => inTens(Array.from({ length: count }, (_, at) => String(10000 + at)), logIn),
  call: () => inTens(agents, call),
  release: () => inTens(agents, release),
  rest: async () => globalThis.gc?.(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  try {
    await doing[order.do](order);
    console.log(JSON.stringify({ done: order.do }));
  } catch (problem) {
    console.log(JSON.stringify({ failed: String(problem) }));
  }
}
process.exit(0);
