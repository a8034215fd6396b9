/** Keys for a cluster of real processes, and those who guess them. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import bcrypt from "bcrypt";
import type { TestCluster } from "./processes.ts";

const KEY = "key-of-the-application";
const ANSWER_MS = 30_000;

/** From the next start on the cluster asks for keys; resolves with the one that may do everything. */
export function lock(cluster: TestCluster, cost: number): string {
  const key = { name: "all", key_hash: bcrypt.hashSync(KEY, cost), permissions: ["admin"] };
  for (const node of cluster.nodes) {
    node.apiKey = KEY;
    const keys = { TQ_AUTH__ENABLED: "true", TQ_AUTH__API_KEYS: JSON.stringify([key]) };
    node.env = { ...node.env, ...keys };
  }
  return KEY;
}

/** How many got which answer: its status, or the code of the error instead of one. */
export type Guessed = Readonly<Record<string, number>>;

/**
 * Ever new wrong keys over REST, each from another address, so that no limit of one address stands
 * before the comparisons: that is what those can do who have many machines.
 */
export class Guesser {
  readonly counts: Record<string, number> = {};
  readonly #ports: readonly number[];
  readonly #open = new Set<Promise<void>>();
  #sent = 0;

  /** `ports`: of the brokers' REST. */
  constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Asks the next broker. */
  guess(): void {
    const at = this.#sent++;
    const port = this.#ports[at % this.#ports.length]!;
    const address = `127.${1 + ((at >> 14) % 200)}.${(at >> 7) % 128}.${1 + (at % 128)}`;
    const guess = guessOnce(port, address).then((answer) => {
      this.counts[answer] = (this.counts[answer] ?? 0) + 1;
      this.#open.delete(guess);
    });
    this.#open.add(guess);
  }

  /** Resolves when all under way are answered. */
  async done(): Promise<Guessed> {
    await Promise.all(this.#open);
    return this.counts;
  }
}

/** By hand, because it must cost whoever guesses less than whoever is asked. */
function guessOnce(port: number, localAddress: string): Promise<string> {
  const key = randomBytes(24).toString("base64url");
  const headers = `Host: x\r\nConnection: close\r\nAuthorization: Bearer ${key}\r\n`;
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.write(`GET /api/v1/queues HTTP/1.1\r\n${headers}\r\n`);
    // The status is among the first bytes: "HTTP/1.1 401".
    socket.once("data", (answer) => resolve(answer.toString("latin1", 9, 12)));
    socket.on("data", () => undefined);
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "broken"));
    socket.once("close", () => resolve("no answer"));
  });
}
