/** Submits over REST through HAProxy, which spreads them over all brokers. */
import { haproxyMissing, startHaproxy } from "../systems/haproxy.mjs";
import { notTq } from "./not-tq.mjs";
import { measureSubmits, rest } from "./rest.mjs";

export const proxied = {
  name: "proxied",
  rounds: 2,
  describe: () => `${rest.describe().replace("to the leader", "through HAProxy to all brokers")}`,
  leftOut: (/** @type {{ name: string }} */ { name }) => {
    if (name === "tq-single") return "there is one broker, and nothing to choose from";
    return notTq(name, "takes a task and answers when it is durable") ?? haproxyMissing();
  },
  measure,
  figures: rest.figures,
};

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ seconds: number, warmSeconds: number }} parameters
 */
async function measure(stage, parameters) {
  const proxy = await startHaproxy(stage.running["nodes"]);
  try {
    const caller = await stage.open("rest-caller.mjs");
    await caller.call("connect", { connection: { rest: { leader: proxy.url, followers: [] } } });
    return await measureSubmits(stage, caller, parameters);
  } finally {
    await proxy.end();
  }
}
