/** A member that comes with an earlier start than was seen is told so, and never let in. */
import { afterEach, expect, test } from "vitest";
import { openPeerStarts } from "../../src/recovery/peer-starts.ts";
import { startBus } from "../../src/transport/bus.ts";
import { scratchDirectory } from "../storage/scratch.ts";
import { CLUSTER, listen, memberOf, Recorder, until } from "../transport/harness.ts";

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function nodes() {
  const [one, two] = [await listen(), await listen()];
  const members = [memberOf("node1", one.server.port), memberOf("node2", two.server.port)];
  const formation = { clusterId: CLUSTER, revision: 0, members };
  return { one, two, members, formation };
}

test("peers remember starts beyond their own restart, and the dialler hears why it is refused", async () => {
  const dataDir = await scratchDirectory();
  const { one, two, members, formation } = await nodes();
  const onFault = (what: string) => expect.unreachable(what);
  const before = await openPeerStarts({ dataDir, onFault });
  before.note("node1", members[0]!.incarnation, { number: 7, name: "" });
  await before.close();
  const starts = await openPeerStarts({ dataDir, onFault });
  const heard = new Recorder();
  const keeper = startBus({
    server: two.server,
    identity: { nodeId: "node2", incarnation: members[1]!.incarnation, boots: 1 },
    formation,
    peers: [],
    listener: heard,
    log: two.log,
    starts,
  });
  stops.push(
    () => starts.close(),
    () => two.server.close(),
    () => keeper.close(),
  );
  const reasons: string[] = [];
  const identity = { nodeId: "node1", incarnation: members[0]!.incarnation };
  const common = {
    server: one.server,
    formation,
    peers: [],
    listener: new Recorder(),
    log: one.log,
  };
  const onRolledBack = (reason: string) => reasons.push(reason);
  const back = startBus({ ...common, identity: { ...identity, boots: 6 }, onRolledBack });
  stops.push(() => one.server.close());
  await until(() => reasons.length > 0);
  expect(reasons[0]).toMatch(/^rolled back: start 6 of node1 after start 7 was seen: its data/);
  expect(heard.peers).toEqual([]);
  expect(heard.envelopes).toEqual([]);
  await back.close();

  // The same start again, and the next one, are no trouble.
  for (const boots of [7, 8]) {
    const bus = startBus({ ...common, identity: { ...identity, boots }, onRolledBack });
    await until(() => bus.peers()[0]!.outbound);
    await bus.close();
  }
  expect(starts.newest("node1", members[0]!.incarnation).number).toBe(8);
  expect(new Set(reasons).size).toBe(1);
});
