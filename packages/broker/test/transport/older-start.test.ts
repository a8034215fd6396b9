/** Of one member only the newest start is let in: an older one has forgotten what it promised. */
import * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { AddressBook } from "../../src/transport/address-book.ts";
import { Doorkeeper } from "../../src/transport/doorkeeper.ts";
import { encodeHello, HELLO_KEY } from "../../src/transport/raft-service.ts";
import { CLUSTER, Journal, memberOf } from "./harness.ts";

function setup() {
  const members = [memberOf("node1", 1), memberOf("node2", 3)];
  const { id: nodeId, incarnation } = members[1]!;
  const book = new AddressBook({ clusterId: CLUSTER, revision: 0, members }, members[1]!);
  const connected = new Map<string, number>();
  const doorkeeper = new Doorkeeper({
    self: { clusterId: CLUSTER, nodeId, incarnation, boot: 1 },
    versions: { min: 1, max: 1 },
    book,
    log: new Journal(),
    connectedStart: (peer) => connected.get(peer),
    onOutdated: () => {},
  });
  const admit = (boot: number, starts: readonly string[] = []) => {
    const metadata = new grpc.Metadata();
    const from = {
      clusterId: CLUSTER,
      nodeId: "node1",
      incarnation: members[0]!.incarnation,
      boot,
    };
    const hello = { ...from, versionMin: 1, versionMax: 1, to: "node2", revision: 0, starts };
    metadata.set(HELLO_KEY, encodeHello(hello));
    return doorkeeper.admit(metadata, "127.0.0.1:9");
  };
  return { admit, connected };
}

test("a start is let in as often as it comes, and so is a later one", () => {
  const { admit } = setup();
  for (const boot of [4, 4, 5, 9, 9]) expect(admit(boot)).toMatchObject({ ok: true });
});

test("an earlier one is not, whether or not the later one is connected", () => {
  const { admit, connected } = setup();
  expect(admit(5).ok).toBe(true);
  const code = grpc.status.FAILED_PRECONDITION;
  expect(admit(4)).toMatchObject({ ok: false, code });
  connected.set("node1", 5);
  const details = expect.stringContaining("is a copy of its data directory running?");
  expect(admit(4)).toMatchObject({ ok: false, code, details });
  expect(admit(5).ok).toBe(true);
});

test("a start that does not know of the one before is of a restored directory, however high", () => {
  const { admit } = setup();
  expect(admit(5, ["d", "e"]).ok).toBe(true);
  const refused = { ok: false, code: grpc.status.FAILED_PRECONDITION };
  // A backup of start 4, started again and again.
  for (const [boot, starts] of [
    [5, ["d", "x"]],
    [6, ["d", "x", "y"]],
    [7, ["c", "d", "x", "y", "z"]],
  ] as const) {
    expect(admit(boot, starts)).toMatchObject(refused);
  }
  expect(admit(7, ["d", "e", "f", "g"]).ok).toBe(true);
  expect(admit(5, ["d", "e"])).toMatchObject(refused);
});

test("names that nobody can know any more, or that there never were, are not asked for", () => {
  const { admit } = setup();
  expect(admit(5, ["e"]).ok).toBe(true);
  expect(admit(9, ["h", "i"]).ok).toBe(true);
  // Under a program from before starts had names, and back.
  expect(admit(10, []).ok).toBe(true);
  expect(admit(11, ["h", "i", "k"]).ok).toBe(true);
});

test("a later one waits while an earlier one is connected, and takes nothing from it", () => {
  const { admit, connected } = setup();
  expect(admit(5).ok).toBe(true);
  connected.set("node1", 5);
  expect(admit(6)).toMatchObject({ ok: false, code: grpc.status.UNAVAILABLE });
  expect(admit(5).ok).toBe(true);
  connected.clear();
  expect(admit(6).ok).toBe(true);
});
