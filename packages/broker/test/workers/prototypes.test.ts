/**
 * JSON that names what every object has: no verb of the worker port lets it change anything but, where
 * a payload may hold it, the payload itself, which passes as it came.
 */
import { CALL_VERBS } from "task-queue-protocol";
import { expect, test } from "vitest";
import { openOne, someTask } from "./harness.ts";
import { RawPeer } from "./raw-peer.ts";

const BODIES = [
  '{"__proto__":{"polluted":1}}',
  '{"__proto__":{"id":"0198f2c4-0000-7000-8000-000000000001","queue":"q","limit":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"filter":{"__proto__":{"polluted":1}},"policy":{"constructor":{"prototype":{"polluted":1}}}}',
  '{"task":{"type":"t","__proto__":{"polluted":1},"retry":{"__proto__":{"polluted":1}}}}',
];
/** They wait, or go on, for whoever asks without saying for how long. */
const ENDLESS = new Set(["wait", "events"]);

test("no call is taken in by it", async () => {
  const { port, node } = await openOne();
  const peer = await RawPeer.greet(port);
  const before = node.commands.length;
  const keys = Reflect.ownKeys(Object.prototype);
  let requestId = 2;
  for (const verb of CALL_VERBS.filter((each) => !ENDLESS.has(each))) {
    for (const body of BODIES) {
      peer.send(requestId, { kind: "call", verb, minIndex: 0, body: Buffer.from(body) });
      const refusal = await peer.take("error");
      expect([verb, refusal.requestId, refusal.code]).toEqual([
        verb,
        requestId,
        expect.stringMatching(/^(invalid_request|unknown_field|not_found|overloaded)$/),
      ]);
      requestId++;
    }
  }
  expect(Reflect.ownKeys(Object.prototype)).toEqual(keys);
  expect({}).not.toHaveProperty("polluted");
  expect(node.commands.length).toBe(before);
});

test("a payload that holds it is what was sent", async () => {
  const { port, node } = await openOne();
  const peer = await RawPeer.greet(port);
  const payload = JSON.parse('{"__proto__":{"polluted":1},"constructor":2}');
  peer.send(2, { kind: "submit", tasks: [someTask("t", payload)] });
  await peer.take("submitted");
  const sent = Buffer.from(JSON.stringify(payload));
  expect(node.commands).toMatchObject([{ content: { payload: sent } }]);
  expect({}).not.toHaveProperty("polluted");
});
