/** A flood of wrong keys at every broker of a real cluster, and an application that has a right one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { nothingLost, sameTerm, termOf } from "../drills/checks.ts";
import { writeSteadily } from "../drills/writer.ts";
import { Guesser, lock } from "./keys.ts";
import { TestCluster } from "./processes.ts";

const COST = 8;
const GUESSES = 600;
const AT_ONCE = 120;
const PER_SECOND = 50;
/** Enough that a machine which is busy with something else does not elect anybody either. */
const PATIENT = { TQ_RAFT__ELECTION_TIMEOUT_MS: "4000" };

let cluster: TestCluster;
let apiKey: string;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  for (const node of cluster.nodes) node.env = PATIENT;
  apiKey = lock(cluster, COST);
  await cluster.start();
});

afterAll(() => cluster?.close());

test("costs nobody his office, and the application none of its submits", {
  timeout: 120_000,
}, async () => {
  const term = await termOf(cluster);
  const writer = writeSteadily(cluster.servers, PER_SECOND, { apiKey });
  const guesser = new Guesser(cluster.nodes.map(({ restPort }) => restPort));
  while (guesser.sent < GUESSES) {
    for (let i = 0; i < AT_ONCE; i++) guesser.guess();
    await guesser.done();
  }
  await writer.stop();
  expect(writer.failures).toEqual([]);
  expect(writer.ids.size).toBeGreaterThan(0);
  // Of so many at once sixteen wait for their turn at each broker; the others are sent away.
  expect(Object.keys(guesser.counts).sort()).toEqual(["401", "429"]);
  expect(await sameTerm(cluster, term)).toBe(true);
  expect(await nothingLost(cluster, writer, { apiKey })).toBe(true);
});
