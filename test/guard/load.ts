/**
 * The work that is counted: a client that submits so many tasks at a time and waits for the answer,
 * and a worker that completes at once what it gets. What each says is what the client library and
 * the worker library say at this concurrency: the submits of a turn in one frame, the reports too.
 */
import type { Message, SubmitTask } from "task-queue-protocol";
import { type GuardedBroker, HEARTBEAT_MS } from "./broker.ts";
import { Party } from "./party.ts";
import type { Tally } from "./tally.ts";
import type { VirtualTime } from "./virtual-time.ts";

const PAYLOAD = Buffer.from(JSON.stringify("x".repeat(198)));
const NOTHING = Buffer.from("null");

export class Load {
  readonly #time: VirtualTime;
  readonly #client: Party;
  readonly #worker: Party;
  readonly #batch: number;
  #isRegistered = false;
  #wanted = 0;
  #submitted = 0;
  #completed = 0;

  /** `batch`: tasks a submit, and tasks that the worker holds at once. */
  constructor(broker: GuardedBroker, time: VirtualTime, tally: Tally, batch: number) {
    this.#time = time;
    this.#batch = batch;
    const clientHears = (message: Message) => this.#clientHears(message);
    const workerHears = (message: Message) => this.#workerHears(message);
    this.#client = new Party(broker.connect(), "client", tally, clientHears);
    this.#worker = new Party(broker.connect(), "worker", tally, workerHears);
    setInterval(() => this.#worker.send({ kind: "heartbeat" }), HEARTBEAT_MS);
  }

  async ready(): Promise<void> {
    await this.#time.until(() => this.#isRegistered);
  }

  /** Until so many more tasks are completed, and the worker knows it. */
  async carry(tasks: number): Promise<void> {
    this.#wanted += tasks;
    this.#submit();
    await this.#time.until(() => this.#completed === this.#wanted);
  }

  #submit(): void {
    const count = Math.min(this.#batch, this.#wanted - this.#submitted);
    if (count === 0) return;
    const tasks = Array.from({ length: count }, () => taskOf(++this.#submitted));
    this.#client.send({ kind: "submit", tasks });
  }

  #clientHears(message: Message): void {
    switch (message.kind) {
      case "welcome":
        break;
      case "submitted":
        allOk(message);
        this.#submit();
        break;
      default:
        throw new Error(`the client hears ${JSON.stringify(message)}`);
    }
  }

  #workerHears(message: Message): void {
    switch (message.kind) {
      case "welcome":
        this.#register();
        break;
      case "registered":
        this.#isRegistered = true;
        break;
      case "deliver": {
        const items = message.tasks.map(({ id, token }) => {
          return { id: id.slice(), token, result: NOTHING, resultType: "json" } as const;
        });
        this.#worker.send({ kind: "complete", items });
        break;
      }
      case "reported":
        allOk(message);
        this.#completed += message.results.length;
        break;
      case "heartbeatAck":
        break;
      default:
        throw new Error(`the worker hears ${JSON.stringify(message)}`);
    }
  }

  #register(): void {
    this.#worker.send({
      kind: "register",
      session: "00000000-0000-7000-8000-000000000001",
      secret: new Uint8Array(16),
      name: "worker",
      queues: [],
      types: ["guard"],
      labels: [],
      concurrency: this.#batch,
      window: this.#batch,
      held: [],
    });
  }
}

/** The ids are UUIDs of version 7, one after the other. */
function taskOf(ordinal: number): SubmitTask {
  const id = Buffer.from("018bcfe5680070008000000000000000", "hex");
  id.writeUInt32BE(ordinal, 12);
  return {
    id,
    content: {
      type: "guard",
      queue: "default",
      priority: "normal",
      payload: PAYLOAD,
      payloadType: "json",
      delayMs: 0,
      runAt: 0,
      timeoutMs: 0,
      retry: {},
      idempotencyKey: "",
      tags: [],
      metadata: "",
      traceparent: "",
    },
  };
}

function allOk({ results }: { readonly results: readonly { readonly ok: boolean }[] }): void {
  const refused = results.find(({ ok }) => !ok);
  if (refused !== undefined) throw new Error(`refused: ${JSON.stringify(refused)}`);
}
