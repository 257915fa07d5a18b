// What somebody writes in TypeScript on `Agent` and the declarations that are made from the schema; never run.

import type { Command, CommandOf, Dialog, Message, MessageOf } from "offhook";

import { Agent, CommandFailed } from "../../../src/offhook/web/offhook.mjs";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(): T | void => undefined;

const agent = new Agent({ url: "wss://gateway.example/cti", polite: true });

// Every command of the contract can be given, with its own parameter and no other.
same<Same<Parameters<typeof agent.command>[0], Command["action"]>>();
same<Same<Parameters<typeof agent.command<"SST">>[1], CommandOf<"SST">["parameter"] | undefined>>();
void agent.command("holdCall", { dialogId: "1" });
void agent.command("consultTransfer");
// @ts-expect-error
void agent.command("noCommand");
// @ts-expect-error
void agent.command("holdCall", { dialog: "1" });
// @ts-expect-error
void agent.command("convertCall", { dialogId: "1", streamType: "hologram", streamStatus: "on" });
// @ts-expect-error
void agent.dial("1001", { type: "hologram" });

// What is told is of the declared types.
same<Same<typeof agent.calls, ReadonlyMap<string, Dialog>>>();
same<Same<Awaited<ReturnType<typeof agent.dial>>, string>>();
same<Same<Awaited<ReturnType<typeof agent.hold>>["status"], MessageOf<"commandResult">["status"]>>();
for (const call of agent.calls.values()) {
  const state: "ACTIVE" | "ALERTING" | "DROPPED" | "HELD" | "INITIATED" | "INITIATING" = call.state;
  void state;
}

agent.addEventListener("event", (event) => {
  const message: Message = (event as CustomEvent<Message>).detail;
  if (message.event === "callStats") void [message.response.audio.mos, message.response.video?.freezes];
  // @ts-expect-error
  if (message.event === "noEvent") void 0;
});

export async function story(): Promise<string> {
  await agent.login("1000", "1234");
  const call = await agent.dial("1001", { type: "video" });
  try {
    await agent.show(call, "screen");
  } catch (problem) {
    if (problem instanceof CommandFailed) return problem.code;
  }
  return agent.media.stats(call)?.path ?? "none";
}
