/**
 * Who shows which key, as far as the cluster itself keeps keys: in front of those of the
 * configuration, and told from them by their form. A key is found by its id in this node's own
 * state and costs one digest, so that nothing about it is remembered: whoever has shown one is
 * looked up again before each verb, and a key ends on open connections as on new ones.
 */
import { timingSafeEqual } from "node:crypto";
import { TqError } from "task-queue-protocol";
import { Throttle } from "../observe/throttle.ts";
import {
  type Access,
  type Caller,
  identifyBySignature,
  OPEN_ACCESS,
  type OtherKey,
  type SignedRequest,
} from "../operations/access.ts";
import { isInForce } from "../operations/access-keys.ts";
import type { Broker } from "../operations/broker.ts";
import { parseKeyText, verifierOf } from "../operations/key-text.ts";
import { isOperatorsVerb, type Verb } from "../operations/permissions.ts";
import { Failures } from "./failures.ts";
import { demandPermission } from "./key-caller.ts";
import { LOOKS_MAX } from "./limits.ts";

type Records = Pick<Broker, "accessKey" | "clock" | "readBarrier">;
type AccessKey = NonNullable<ReturnType<Records["accessKey"]>>;

export interface ClusterKeysOptions {
  /** Whoever shows another key. */
  readonly others: Access;
  readonly records: Records;
  readonly log: { warn(fields: object, message: string): void };
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/** Compared with what is shown under an id that nobody has, so that it takes as long. */
const NOBODY = verifierOf("");

/** Where nobody is asked for a key nobody may need one. */
export function withClusterKeys(options: ClusterKeysOptions): Access {
  return options.others === OPEN_ACCESS ? OPEN_ACCESS : new ClusterKeys(options);
}

export class ClusterKeys implements Access {
  readonly #others: Access;
  readonly #records: Records;
  readonly #log: ClusterKeysOptions["log"];
  readonly #throttle: Throttle;
  readonly #failures: Failures;
  #looks = 0;

  constructor({ others, records, log, now = () => performance.now() }: ClusterKeysOptions) {
    this.#others = others;
    this.#records = records;
    this.#log = log;
    this.#throttle = new Throttle(now);
    this.#failures = new Failures(now);
  }

  async identify(key: string | undefined, address: string): Promise<Caller> {
    const shown = key === undefined ? undefined : parseKeyText(key);
    if (shown === undefined) return this.#others.identify(key, address);
    const { id, secret } = shown;
    const record = this.#records.accessKey(id) ?? (await this.#lookAgain(id, address));
    const isRight = timingSafeEqual(verifierOf(secret), record?.verifier ?? NOBODY);
    if (record === undefined || !isRight) throw this.#wrong(address);
    const caller = new ClusterKeyCaller({ id, name: record.name }, this.#records, this.#others);
    caller.demandKey();
    return caller;
  }

  refused(error: unknown, address: string): void {
    this.#others.refused?.(error, address);
  }

  /** Of keys that the cluster keeps no secret is there to sign with: it has only a digest. */
  identifySigned(request: SignedRequest, address: string): Caller {
    return identifyBySignature(this.#others, request, address);
  }

  get isSigningRequired(): boolean {
    return this.#others.isSigningRequired ?? false;
  }

  get rateLimited(): ReadonlyMap<string, number> | undefined {
    return this.#others.rateLimited;
  }

  /** It may have been made at another node a moment ago: this one asks how far the cluster is. */
  async #lookAgain(id: string, address: string): Promise<AccessKey | undefined> {
    if (this.#failures.waitMs(address) > 0) return undefined;
    if (this.#looks >= LOOKS_MAX) throw unsure();
    this.#looks++;
    try {
      await this.#records.readBarrier("linearizable");
    } catch (error) {
      throw unsure(error);
    } finally {
      this.#looks--;
    }
    return this.#records.accessKey(id);
  }

  /** Throws `RateLimited` instead when there were too many. */
  #wrong(address: string): TqError {
    this.#failures.demandPatience(address);
    this.#failures.add(address);
    if (this.#throttle.allows(address)) this.#log.warn({ peer: address }, "a wrong key was shown");
    return new TqError("unauthenticated", "the key is not one of this cluster's");
  }
}

class ClusterKeyCaller implements Caller {
  readonly name: string;
  readonly keyId: string;
  readonly #records: Records;
  readonly #rates: Pick<Access, "spendOfOther">;

  constructor({ id, name }: OtherKey, records: Records, rates: Pick<Access, "spendOfOther">) {
    this.keyId = id;
    this.name = name;
    this.#records = records;
    this.#rates = rates;
  }

  demand(verb: Verb): void {
    const { name, permissions } = this.demandKey();
    demandPermission(verb, name, permissions);
  }

  /** Who was revoked elsewhere must not go on administering by way of a node that lags. */
  confirm(verb: Verb): Promise<void> | undefined {
    if (!isOperatorsVerb(verb)) return undefined;
    return this.#records.readBarrier("linearizable").then(() => this.demand(verb));
  }

  spend(count: number, paid = 0): void {
    this.#rates.spendOfOther?.({ id: this.keyId, name: this.name }, count, paid);
  }

  /** Throws `unauthenticated` when it has ended. */
  demandKey(): AccessKey {
    const record = this.#records.accessKey(this.keyId);
    if (record !== undefined && isInForce(record, this.#records.clock())) return record;
    const how = record === undefined || record.revoked ? "was revoked" : "has expired";
    throw new TqError("unauthenticated", `the key "${this.name}" ${how}`);
  }
}

function unsure(cause?: unknown): TqError {
  const message = "this key cannot be looked up right now; come again in a moment";
  return new TqError("overloaded", message, { cause });
}
