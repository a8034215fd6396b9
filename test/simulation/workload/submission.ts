/** Makes up tasks: their ids, contents, keys and sizes. */
import type {
  Priority,
  Submit,
  TaskContent,
  TaskId,
} from "../../../packages/broker/src/queue/index.ts";
import { NO_EXTRAS, PLAIN_BACKOFF, PRIORITIES } from "../../../packages/broker/src/queue/index.ts";
import type { WorkloadOptions } from "../options.ts";
import type { Random } from "../random.ts";
import { extrasOf } from "./extras.ts";

/** Larger than what the other tasks add up to, and than some limits of the swarm. */
const HUGE_BYTES = 20_000;
const KEYS = 12;
/** Share of submits under a used key that say something else. */
const MISMATCH_RATE = 0.1;

export class Submissions {
  #random: Random;
  readonly #options: WorkloadOptions;
  /** What was said first under each idempotency key. */
  readonly #byKey = new Map<string, TaskContent>();

  constructor(random: Random, options: WorkloadOptions) {
    this.#random = random;
    this.#options = options;
  }

  /** `parents`: what it may wait for; undefined: the cluster knows nothing of that yet. */
  next(wallMs: number, random: Random, parents: readonly TaskId[] | undefined): Submit {
    this.#random = random;
    const idempotencyKey = random.chance(this.#options.keyRate)
      ? `key-${random.whole(1, KEYS)}`
      : "";
    const content = this.#content(idempotencyKey, wallMs, parents);
    // The leader fills in what a submitter leaves open.
    const none = { maxRetries: 0, initialDelayMs: 0, multiplier: 1, maxDelayMs: 0, jitter: 0 };
    const retry = { ...PLAIN_BACKOFF, ...none };
    return { type: "submit", id: makeId(random, wallMs), content, retry, depthLimit: 0 };
  }

  #content(
    idempotencyKey: string,
    wallMs: number,
    parents: readonly TaskId[] | undefined,
  ): TaskContent {
    const known = this.#byKey.get(idempotencyKey);
    if (known !== undefined) {
      if (!this.#random.chance(MISMATCH_RATE)) return known;
      return { ...known, payload: this.#random.bytes(8) };
    }
    const plain = this.#invent(idempotencyKey, wallMs);
    const hasExtras = parents !== undefined && this.#random.chance(this.#options.later.extraRate);
    const extras = hasExtras ? extrasOf(this.#random, parents, wallMs) : {};
    const content = { ...plain, ...extras };
    if (idempotencyKey !== "") this.#byKey.set(idempotencyKey, content);
    return content;
  }

  #invent(idempotencyKey: string, wallMs: number): TaskContent {
    const random = this.#random;
    const { queues, types, payloadBytesMax, hugePayloadRate } = this.#options;
    const { delayRate, timeoutRate, runMs } = this.#options;
    const isHuge = random.chance(hugePayloadRate);
    const isDelayed = random.chance(delayRate);
    const byDate = random.chance(0.3);
    return {
      type: `type-${random.whole(1, types)}`,
      queue: `queue-${random.whole(1, queues)}`,
      priority: random.pick(PRIORITIES) as Priority,
      payload: random.bytes(isHuge ? HUGE_BYTES : random.whole(0, payloadBytesMax)),
      payloadType: "binary",
      delayMs: isDelayed && !byDate ? random.whole(1, 8000) : 0,
      runAt: isDelayed && byDate ? wallMs + random.whole(-2000, 8000) : 0,
      timeoutMs: random.chance(timeoutRate) ? Math.ceil(random.between(0.2, 3) * runMs.max) + 1 : 0,
      retry: random.chance(0.2) ? { maxRetries: random.whole(0, 3) } : {},
      idempotencyKey,
      tags: [],
      metadata: "",
      traceparent: "",
      ...NO_EXTRAS,
    };
  }
}

/** A UUIDv7. */
function makeId(random: Random, wallMs: number): TaskId {
  const id = random.bytes(16);
  let time = wallMs;
  for (let at = 5; at >= 0; at--) {
    id[at] = time % 256;
    time = Math.floor(time / 256);
  }
  id[6] = 0x70 | (id[6]! & 0x0f);
  id[8] = 0x80 | (id[8]! & 0x3f);
  return id;
}
