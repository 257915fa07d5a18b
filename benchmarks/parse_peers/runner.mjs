// Times SIP.js and JsSIP for benchmarks/parse.py.
//
// One JSON request a line on stdin, one JSON answer a line on stdout:
//   {"peer", "kind", "row": "five" | "all", "what": "values"}  ->  the values of every message of that kind
//   {"peer", "kind", "row", "what": "time", "rounds"}          ->  {"seconds"} for so many passes over all messages
// The messages come as JSON in the file that is the one argument: {"invite": [...], "ok": [...]}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { Parser as SipJsParser } from "sip.js/lib/core/messages/parser.js";

const JsSipParser = createRequire(import.meta.url)("jssip/lib/Parser.js");

const messages = JSON.parse(readFileSync(process.argv[2], "utf8"));
const complain = (text) => {
  throw new Error(text);
};
const logger = { error: complain, warn: complain, log() {}, debug() {} };

// Both parse Via, From, To, CSeq and Contact while they read the message; what they offer of it is looked at here.
function sipJsFive(text) {
  const m = SipJsParser.parseMessage(text, logger);
  const c = m.parseHeader("contact");
  return [
    [m.via.transport, m.via.host, m.via.port, m.via.branch],
    [m.from.displayName, m.from.uri.user, m.from.uri.host, m.from.uri.port, m.from.getParam("tag")],
    [m.to.displayName, m.to.uri.user, m.to.uri.host, m.to.uri.port, m.to.getParam("tag")],
    [m.parseHeader("cseq").value, m.parseHeader("cseq").method],
    [c.displayName, c.uri.user, c.uri.host, c.uri.port, c.uri.getParam("transport")],
  ];
}

function jsSipFive(text) {
  const m = JsSipParser.parseMessage(text, {});
  const c = m.parseHeader("contact");
  return [
    [m.via.transport, m.via.host, m.via.port, m.via.branch],
    [m.from.display_name, m.from.uri.user, m.from.uri.host, m.from.uri.port, m.from.getParam("tag")],
    [m.to.display_name, m.to.uri.user, m.to.uri.host, m.to.uri.port, m.to.getParam("tag")],
    [m.parseHeader("cseq").value, m.parseHeader("cseq").method],
    [c.display_name, c.uri.user, c.uri.host, c.uri.port, c.uri.getParam("transport")],
  ];
}

// Which header names a peer has a grammar rule for is found out once, with the first message of the kind.
function rulesOf(parse, text) {
  const typed = new Set();
  for (const name of Object.keys(parse(text).headers)) {
    try {
      if (parse(text).parseHeader(name) !== undefined) {
        typed.add(name);
      }
    } catch {
      // No rule of that name.
    }
  }
  return typed;
}

function reader(parse, text) {
  const typed = rulesOf(parse, text);
  return (input) => {
    const m = parse(input);
    const values = [];
    for (const name of Object.keys(m.headers)) {
      const lines = m.headers[name].length;
      for (let index = 0; index < lines; index++) {
        values.push(typed.has(name) ? m.parseHeader(name, index) : m.getHeaders(name)[index]);
      }
    }
    return values;
  };
}

const peers = {
  "SIP.js": { five: () => sipJsFive, all: (text) => reader((t) => SipJsParser.parseMessage(t, logger), text) },
  JsSIP: { five: () => jsSipFive, all: (text) => reader((t) => JsSipParser.parseMessage(t, {}), text) },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { peer, kind, row, what, rounds } = JSON.parse(line);
  const inputs = messages[kind];
  const read = (peers[peer].made ??= {})[kind + row] ?? (peers[peer].made[kind + row] = peers[peer][row](inputs[0]));
  if (what === "values") {
    const values = inputs.map(read);
    console.log(JSON.stringify(row === "five" ? values : values.map((list) => list.length)));
    continue;
  }
  let kept = 0;
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round++) {
    for (const input of inputs) {
      kept += read(input).length;
    }
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(JSON.stringify({ seconds, kept }));
}
