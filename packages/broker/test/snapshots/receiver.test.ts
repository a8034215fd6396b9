/**
 * What a receiver keeps and whom it believes: nothing of what it has passed on, and no header that
 * its node could not go on with, whoever sends it.
 */
import v8 from "node:v8";
import vm from "node:vm";
import { describe, expect, test } from "vitest";
import { encodeHeader, encodeRows } from "../../src/snapshots/format.ts";
import { bytesOf } from "../queue/harness.ts";
import {
  CLUSTER,
  directly,
  FilledNode,
  filledNode,
  MEMBERSHIP,
  receiverOf,
  sourceOf,
} from "./harness.ts";

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc") as () => void;

test("a receiver holds nothing of what it has written while the stream goes on", async () => {
  const pieces: WeakRef<Uint8Array>[] = [];
  let release!: () => void;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { receiver, faults } = receiverOf(async function* () {
    const entry = { index: 5, term: 1, chain: "0".repeat(16) };
    const head = encodeHeader({ clusterId: CLUSTER, id: "ab", ...entry, membership: MEMBERSHIP });
    yield head.frame;
    let at = head.checkpoint;
    for (let row = 0; row < 20; row++) {
      const { frame, checkpoint } = encodeRows([[Uint8Array.of(row + 1), new Uint8Array(999)]], at);
      at = checkpoint;
      // Of its own: the pool that small buffers share lives longer.
      const piece = new Uint8Array(frame);
      pieces.push(new WeakRef(piece));
      yield piece;
    }
    await held;
  });
  receiver.want({ index: 5, sources: ["a"] });
  await expect.poll(() => pieces.length).toBe(20);
  const alive = (): number => {
    collect();
    return pieces.filter((piece) => piece.deref() !== undefined).length;
  };
  // The newest ones may still be in somebody's hands.
  await expect.poll(alive, { timeout: 20_000 }).toBeLessThan(5);
  const closed = receiver.close();
  release();
  await closed;
  expect(faults).toEqual([]);
});

describe("a source whose header is of no use", () => {
  const roster = (document: object) => bytesOf(JSON.stringify(document));
  const learner = { id: "a", incarnation: "a", bus: "a:1", address: "a:2", voter: false };

  async function sends(membership: Uint8Array, chain?: string): Promise<FilledNode> {
    const node = new FilledNode();
    node.membership = membership;
    await node.submit(30);
    await node.flush();
    if (chain !== undefined) node.log.chainAt = async () => chain;
    return node;
  }

  test.each<[string, () => Promise<FilledNode>]>([
    ["members that cannot be read", () => sends(bytesOf("x"))],
    ["members of a newer format", () => sends(roster({ version: 2, revision: 1, members: [] }))],
    ["no member", () => sends(roster({ version: 1, revision: 9, members: [] }))],
    ["no voter", () => sends(roster({ version: 1, revision: 9, members: [learner] }))],
    ["a chain that is too short", () => sends(MEMBERSHIP, "ab")],
    ["a chain of other letters", () => sends(MEMBERSHIP, "0123456789ABCDEF")],
  ])("%s: the next one is asked, and nothing is stored", async (_what, make) => {
    const nodes = { bad: await make(), good: await filledNode() };
    const receiving = receiverOf((from, request) => {
      return directly(sourceOf(nodes[from as "bad" | "good"]).source)(from, request);
    });
    let stages = 0;
    const { stage } = receiving.states;
    receiving.states.stage = () => {
      stages++;
      return stage.call(receiving.states);
    };
    const snapshot = await receiving.fetch({ index: 1, sources: ["bad", "good"] });
    expect(snapshot?.base).toEqual(await nodes.good.base);
    expect(receiving.warnings[0]).toContain("no snapshot from bad yet: the snapshot is damaged");
    expect(receiving.faults).toEqual([]);
    expect(stages).toBe(1);
  });
});
