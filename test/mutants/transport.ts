/** Mutants of the bus: who may speak to whom, on which stream, and how much may wait. */
import { type Mutant, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const transport = patchIn("packages/broker/src/transport");
const TESTS = "packages/broker/test/transport";
const BUS = `${TESTS}/bus.test.ts`;
const REFUSAL = `${TESTS}/refusal.test.ts`;

export const TRANSPORT: readonly Mutant[] = [
  {
    id: "request-reaches-a-successor",
    trap: 22,
    what: "A request meant for a member that was replaced is sent to the one in its place.",
    edits: [
      transport(
        "bus.ts",
        "if (incarnation !== undefined && this.#peers.get(to)?.member.incarnation !== incarnation)",
        'if (incarnation === "" && this.#peers.get(to)?.member.incarnation !== incarnation)',
      ),
    ],
    killers: [suite(`${TESTS}/roster.test.ts`, "never reaches its successor")],
  },
  {
    id: "words-of-a-replaced-stream",
    trap: 22,
    what: "What still comes in on a stream that was replaced is delivered.",
    edits: [
      transport(
        "inbound.ts",
        "    if (!stream.live) return;\n    let parcels: readonly Parcel[];",
        "    let parcels: readonly Parcel[];",
      ),
      transport(
        "inbound.ts",
        "for (const parcel of parcels) if (stream.live) this.#deliver(stream.peer, parcel);",
        "for (const parcel of parcels) this.#deliver(stream.peer, parcel);",
      ),
    ],
    killers: [suite(`${TESTS}/inbound.test.ts`)],
  },
  {
    id: "streams-of-a-former-life-stay",
    trap: 22,
    what: "Streams that an earlier start of a member has left behind stay beside the new ones.",
    edits: [
      transport("inbound.ts", "if (old.boot !== stream.boot) {", "if (old.boot > stream.boot) {"),
    ],
    killers: [suite(`${TESTS}/inbound.test.ts`, "a new life ends those of the former one")],
  },
  {
    id: "handshake-by-name-alone",
    trap: 35,
    what: "A node is let in by its name, whatever its incarnation.",
    edits: [
      transport(
        "handshake.ts",
        "  if (!lists(roster, { id: hello.nodeId, incarnation: hello.incarnation })) {",
        "  if (!roster.members.some(({ id }) => id === hello.nodeId)) {",
      ),
    ],
    killers: [suite(`${TESTS}/handshake.test.ts`)],
  },
  {
    id: "two-clusters-talk",
    trap: 35,
    what: "A node of another cluster is let in.",
    edits: [
      transport(
        "handshake.ts",
        "if (hello.clusterId !== self.clusterId) return no(otherCluster(hello, self));",
        'if (hello.clusterId === "") return no(otherCluster(hello, self));',
      ),
    ],
    killers: [suite(`${TESTS}/handshake.test.ts`)],
  },
  {
    id: "welcome-by-name-alone",
    trap: 35,
    what: "Whoever answers under the right name is spoken to, whatever its incarnation.",
    edits: [
      transport(
        "handshake.ts",
        "if (welcome.incarnation !== member.incarnation) {",
        'if (welcome.incarnation === "") {',
      ),
    ],
    killers: [suite(REFUSAL, "the dialler's own judgement")],
  },
  {
    id: "older-start-let-in",
    trap: 35,
    what: "A node whose directory is older than what it has promised is let in.",
    edits: [transport("doorkeeper.ts", "if (boot >= known.number &&", "if (boot >= 0 &&")],
    killers: [suite(`${TESTS}/older-start.test.ts`, "an earlier one")],
  },
  {
    id: "restored-start-let-in",
    trap: 35,
    what: "A restored directory is let in when it has counted as many starts as were seen.",
    edits: [transport("doorkeeper.ts", "starts.includes(known.name)", "boot >= 0")],
    killers: [suite(`${TESTS}/older-start.test.ts`, "restored directory")],
  },
  {
    id: "clone-takes-the-seat",
    trap: 35,
    what: "A later start of a member that is connected takes the place of the one that runs.",
    edits: [transport("doorkeeper.ts", "|| boot <= connected)", "|| boot > 0)")],
    killers: [suite(`${TESTS}/older-start.test.ts`, "a later one waits")],
  },
  {
    id: "forwards-without-a-bound",
    trap: 45,
    what: "All writes that wait are forwarded as one message, however large that makes it.",
    edits: [
      transport(
        "bus.ts",
        "if (size + bytes > FRAME_BYTES) {",
        "if (size + bytes > 2 ** 20 * FRAME_BYTES) {",
      ),
    ],
    killers: [suite(`${TESTS}/forwards.test.ts`)],
  },
  {
    id: "one-connection-for-all",
    trap: 46,
    what: "All streams to a member share one connection, so heartbeats wait behind entries.",
    edits: [
      transport(
        "bus.ts",
        'kinds: ["control"], report });',
        'kinds: ["control", "append", "forward"], report });',
      ),
      transport(
        "bus.ts",
        'const bulk = new Link({ ...common, kinds: ["append", "forward"], report });',
        "const bulk = control;",
      ),
    ],
    killers: [suite(BUS, "are two from each peer, and stay two")],
  },
  {
    id: "entries-among-heartbeats",
    trap: 46,
    what: "Entries travel on the stream of the heartbeats.",
    edits: [
      transport(
        "message-types.ts",
        'return type === "append" || type === "appendReply" ? "append" : "control";',
        'return type === "appendReply" ? "append" : "control";',
      ),
    ],
    killers: [suite(BUS, "carry heartbeats past entries that are stuck")],
  },
  {
    id: "outbox-without-a-bound",
    trap: 47,
    what: "What a member does not read piles up in the memory of the sender.",
    edits: [
      transport(
        "outbox.ts",
        "if (this.#closed || this.#bytes + message.length > this.#bytesMax) return false;",
        "if (this.#closed || this.#bytesMax < 0) return false;",
      ),
    ],
    killers: [suite(`${TESTS}/outbox.test.ts`), suite(BUS, "and bound what waits")],
  },
  {
    id: "numbers-of-32-bits-on-the-bus",
    trap: 49,
    what: "Indexes and terms lose their upper bits on the way to another member.",
    edits: [transport("bytes.ts", "rest = Math.floor(rest / 128);", "rest = (rest / 128) >>> 0;")],
    killers: [suite(`${TESTS}/codec.test.ts`)],
  },
  {
    id: "shutdown-waits-for-calls",
    trap: 52,
    what: "A stopping node announces its end and lets calls run on, which keepalive may break.",
    edits: [
      transport(
        "bus-server.ts",
        "this.#grpc.forceShutdown();",
        "this.#grpc.tryShutdown(() => {});",
      ),
      transport("bus-server.ts", "    for (const socket of this.#sockets) socket.destroy();\n", ""),
    ],
    killers: [suite(`${TESTS}/shutdown.test.ts`)],
  },
  {
    id: "calls-end-in-the-turn-of-their-connection",
    trap: 52,
    what: "Calls are ended while the session is busy with the bytes that ended them.",
    edits: [
      transport(
        "link.ts",
        "    setImmediate(() => {\n      for (const call of attempt.calls) call.cancel();\n" +
          "      attempt.client.close();\n    });",
        "    for (const call of attempt.calls) call.cancel();\n    attempt.client.close();",
      ),
    ],
    killers: [suite(BUS, "in a later turn than the one that saw it")],
  },
  {
    id: "whoever-is-ready-founds",
    trap: 54,
    what: "Each node that has met all the others founds a cluster, not only the lowest.",
    edits: [
      transport(
        "formation.ts",
        "if (founder === self.member.id) return",
        'if (founder !== "") return',
      ),
    ],
    killers: [
      suite(`${TESTS}/formation.test.ts`, "the others wait for it"),
      suite(`${TESTS}/formation-simulation.test.ts`),
    ],
  },
  {
    id: "founded-without-all",
    trap: 54,
    what: "A cluster is founded before every node that is listed was met.",
    edits: [
      transport(
        "formation.ts",
        "if (waiting.length > 0 || wrong.length > 0) return",
        "if (wrong.length > 0) return",
      ),
      transport(
        "formation.ts",
        "const founders = [self.member, ...others.map(({ answer }) => answer!.from.member)];",
        "const met = others.flatMap(({ answer }) => answer?.from.member ?? []);\n" +
          "  const founders = [self.member, ...met];",
      ),
    ],
    killers: [suite(`${TESTS}/formation-simulation.test.ts`)],
  },
];
