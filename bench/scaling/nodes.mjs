/**
 * What a task costs a cluster as nodes grow: entries, messages, bytes and syncs for each 1,000 tasks
 * at a fixed batch. Real Raft machines in one process, a network that delivers at once, disks that
 * confirm at once: counts that do not depend on the machine. `node bench/scaling/nodes.mjs`, after
 * `npm run build`.
 */
import { encodeEnvelope } from "../../packages/broker/dist/transport/codec.js";
import { DEFAULTS, Raft } from "../../packages/raft/dist/index.js";
import { World } from "./world.mjs";

const NODES = [1, 3, 5];
const BATCHES = [10, 100, 1000];
const TASKS = 100_000;

/** Bytes of the log for a task: submit with 200 bytes of payload, share of a lease, complete. */
function taskBytes(batch) {
  const world = new World();
  world.addWorker("w0", { window: batch });
  const place = () => ({ queue: "default" });
  world.turn(batch, place);
  const from = world.logBytes;
  world.turn(batch, place);
  return (world.logBytes - from) / batch;
}

function newCluster(size) {
  const voters = Array.from({ length: size }, (_, at) => `node${at + 1}`);
  const nodes = voters.map(
    (id) =>
      new Raft({
        ...DEFAULTS,
        id,
        applied: 0,
        random: () => 0,
        now: 0,
        decodeMembership: () => ({ voters, learners: [] }),
        membership: { voters, learners: [] },
        hardState: { term: 0, vote: undefined },
        log: { base: 0, prev: { term: 0, index: 0 }, tail: [] },
      }),
  );
  return new Map(nodes.map((raft, at) => [voters[at], raft]));
}

/** Lets all of them do what they owe until nobody owes anything; counts it. */
function settle(cluster, counts) {
  const send = (message) => {
    counts.messages++;
    counts.bytes += encodeEnvelope({ message, beacon: undefined }).length;
    cluster.get(message.to).step(message);
  };
  let isBusy = true;
  while (isBusy) {
    isBusy = false;
    for (const raft of cluster.values()) {
      if (!raft.hasReady()) continue;
      isBusy = true;
      const { messages, persist, committed } = raft.takeReady();
      for (const message of messages) send(message);
      if (raft.role === "leader") counts.committed += committed.length;
      if (persist === undefined) continue;
      counts.syncs++;
      raft.persisted(persist.seq, true);
      for (const message of persist.messages) send(message);
    }
  }
}

const newCounts = () => ({ messages: 0, bytes: 0, syncs: 0, committed: 0 });

console.log("| nodes | tasks an entry | entries | messages | KiB sent | syncs |");
console.log("|---|---|---|---|---|---|");
for (const size of NODES) {
  for (const batch of BATCHES) {
    const cluster = newCluster(size);
    const leader = cluster.get("node1");
    leader.tick(leader.nextDeadline());
    settle(cluster, newCounts());
    const counts = newCounts();
    const entries = TASKS / batch;
    const entryBytes = Math.round(batch * taskBytes(batch));
    for (let entry = 0; entry < entries; entry++) {
      leader.propose(new Uint8Array(entryBytes));
      settle(cluster, counts);
    }
    if (counts.committed !== entries) throw new Error(`${counts.committed} entries committed`);
    const thousands = TASKS / 1000;
    const figures = [entries, counts.messages, counts.bytes / 1024, counts.syncs];
    const cells = figures.map((figure) => (figure / thousands).toFixed(1));
    console.log(`| ${size} | ${batch.toLocaleString("en")} | ${cells.join(" | ")} |`);
  }
}
