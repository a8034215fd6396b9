/** The clock is the same one in every thread and process: else latencies between them are fiction. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { now } from "./clock.mjs";

const url = new URL("./clock.mjs", import.meta.url).href;

test("a time taken in another process lies between two that surround it", () => {
  for (let i = 0; i < 5; i++) {
    const code = `import { now } from "${url}"; console.log(now());`;
    const before = now();
    const inside = Number(execFileSync(process.execPath, ["--input-type=module", "-e", code]));
    assert.ok(before < inside && inside < now());
  }
});

test("a time taken in another thread lies between the ping and the pong around it", async () => {
  const code = `
    const { parentPort } = require("node:worker_threads");
    import("${url}").then(({ now }) => {
      parentPort.on("message", () => parentPort.postMessage(now()));
      parentPort.postMessage(0);
    });`;
  for (let i = 0; i < 5; i++) {
    const thread = new Worker(code, { eval: true });
    try {
      await answerOf(thread);
      // A thread whose clock is behind by more than a round trip is caught.
      for (let ping = 0; ping < 20; ping++) {
        const before = now();
        thread.postMessage("ping");
        const inside = await answerOf(thread);
        assert.ok(before < inside && inside < now());
      }
    } finally {
      // A thread left behind would keep a failed test from ever ending.
      await thread.terminate();
    }
  }
});

function answerOf(/** @type {Worker} */ thread) {
  return new Promise((resolve) => thread.once("message", resolve));
}
