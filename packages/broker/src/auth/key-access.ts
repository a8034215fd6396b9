/**
 * Who shows which key, by the hashes of the configuration. A hash costs tens of milliseconds, so
 * what a check has found is remembered for a while under a digest; the key itself is kept nowhere,
 * and stands in no log and in no answer. What is shown for the first time is checked in the order
 * of coming, within bounds for each address and for all of them.
 */
import { createHmac, randomBytes } from "node:crypto";
import { KEY_BYTES_MAX, TqError } from "task-queue-protocol";
import type { KeySettings } from "../config/api-keys.ts";
import { Throttle } from "../observe/throttle.ts";
import type { Access, Caller, OtherKey, SignedRequest } from "../operations/access.ts";
import { groupOf } from "../operations/address-group.ts";
import { BoundedMap } from "./bounded-map.ts";
import { Failures } from "./failures.ts";
import { KeyCaller } from "./key-caller.ts";
import { KeyChecks } from "./key-checks.ts";
import { KeyRates } from "./key-rates.ts";
import { KeyThread } from "./key-thread.ts";
import { FRESH_MS, SIGNING_WINDOW_MS, WRONG_MAX, WRONG_MS } from "./limits.ts";
import { Signatures } from "./signatures.ts";

export interface KeyAccessOptions extends KeySettings {
  readonly log: { warn(fields: object, message: string): void };
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** Milliseconds of the wall clock, by which signatures are dated. */
  readonly wallNow?: () => number;
  readonly thread?: Pick<KeyThread, "compare" | "close">;
  readonly signing?: { readonly required: boolean; readonly windowMs: number };
}

const UNSIGNED = { required: false, windowMs: SIGNING_WINDOW_MS };

interface Known {
  readonly hash: string;
  readonly checkedAt: number;
}

export class KeyAccess implements Access {
  /** By the hashes of their keys. */
  #callers: ReadonlyMap<string, KeyCaller> = new Map();
  #byName: ReadonlyMap<string, KeyCaller> = new Map();
  readonly isSigningRequired: boolean;
  readonly #signatures: Signatures;
  readonly #checks: KeyChecks;
  readonly #thread: Pick<KeyThread, "close">;
  readonly #now: () => number;
  readonly #log: KeyAccessOptions["log"];
  readonly #throttle: Throttle;
  readonly #failures: Failures;
  readonly #rates: KeyRates;
  #defaultRate: KeySettings["defaultRate"];
  /** Of this process alone, so that what it remembers is of use nowhere else. */
  readonly #secret = randomBytes(32);
  /** By their digests; at most one for each key that there is, and none of others. */
  readonly #known = new Map<string, Known>();
  /** When they were found to be wrong. */
  #wrong = new BoundedMap<string, number>(WRONG_MAX);
  readonly #underWay = new Map<string, Promise<Caller>>();

  constructor(options: KeyAccessOptions) {
    const {
      keys,
      defaultRate,
      log,
      thread,
      now = () => performance.now(),
      wallNow = Date.now,
    } = options;
    const { required, windowMs } = options.signing ?? UNSIGNED;
    this.isSigningRequired = required;
    this.#signatures = new Signatures({ keys, windowMs, now: wallNow });
    const comparing = thread ?? new KeyThread();
    this.#checks = new KeyChecks(comparing);
    this.#thread = comparing;
    this.#now = now;
    this.#log = log;
    this.#throttle = new Throttle(now);
    this.#failures = new Failures(now);
    this.#rates = new KeyRates(now);
    this.replace({ keys, defaultRate });
  }

  get rateLimited(): ReadonlyMap<string, number> {
    return this.#rates.limited;
  }

  /** From now on these keys are the ones, for open connections too. */
  replace({ keys, defaultRate }: KeySettings): void {
    this.#defaultRate = defaultRate;
    const before = this.#callers;
    this.#callers = new Map(
      keys.map((key) => {
        const caller = before.get(key.hash) ?? new KeyCaller(key, this.#rates);
        caller.change(key);
        return [key.hash, caller];
      }),
    );
    this.#byName = new Map([...this.#callers.values()].map((caller) => [caller.name, caller]));
    this.#signatures.replace(keys);
    for (const [hash, caller] of before) if (!this.#callers.has(hash)) caller.withdraw();
    for (const [digest, { hash }] of this.#known) {
      if (!this.#callers.has(hash)) this.#known.delete(digest);
    }
    // What was wrong may be right now; a check that is under way notes its finding in the old one.
    this.#wrong = new BoundedMap(WRONG_MAX);
  }

  async identify(key: string | undefined, address: string): Promise<Caller> {
    const shown = checkForm(key);
    const digest = createHmac("sha256", this.#secret).update(shown).digest("base64");
    const known = this.#known.get(digest);
    if (known !== undefined && this.#now() - known.checkedAt < FRESH_MS) {
      return this.#callers.get(known.hash)!;
    }
    const wrongAt = this.#wrong.get(digest);
    if (wrongAt !== undefined && this.#now() - wrongAt < WRONG_MS) throw wrongKey();
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    const checking = this.#check(shown, digest, groupOf(address), known).finally(() => {
      this.#underWay.delete(digest);
    });
    this.#underWay.set(digest, checking);
    return checking;
  }

  spendOfOther({ id, name }: OtherKey, count: number, paid = 0): void {
    const rate = this.#defaultRate;
    // No name of a key has a colon: an id is never taken for one.
    if (rate !== undefined) this.#rates.spend(name, rate, count - paid, paid, `:${id}`);
  }

  identifySigned(request: SignedRequest, address: string): Caller {
    try {
      this.#signatures.check(request);
    } catch (error) {
      const what = "a signed request was refused";
      if (this.#throttle.allows(`${address} signed`)) this.#log.warn({ peer: address }, what);
      throw error;
    }
    return this.#byName.get(request.key)!;
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  async #check(
    key: string,
    digest: string,
    address: string,
    known: Known | undefined,
  ): Promise<Caller> {
    const wrong = this.#wrong;
    const hash =
      known === undefined
        ? await this.#find(key, address)
        : await this.#checks.again(key, address, known.hash);
    const caller = hash === undefined ? undefined : this.#callers.get(hash);
    if (hash !== undefined && caller !== undefined) {
      this.#known.set(digest, { hash, checkedAt: this.#now() });
      return caller;
    }
    wrong.set(digest, this.#now());
    this.#failures.add(address);
    if (this.#throttle.allows(address)) this.#log.warn({ peer: address }, "a wrong key was shown");
    throw wrongKey();
  }

  #find(key: string, address: string): Promise<string | undefined> {
    this.#failures.demandPatience(address);
    return this.#checks.find(key, address, this.#callers.keys());
  }
}

/** Refuses what bcrypt would cut off, and so take for another key. */
function checkForm(key: string | undefined): string {
  if (key === undefined || key === "") {
    throw unauthenticated("a key is needed, and none was shown");
  }
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw unauthenticated(`the key is longer than ${KEY_BYTES_MAX} bytes, as none of ours is`);
  }
  if (key.includes("\0")) throw unauthenticated("a key has no zero bytes");
  return key;
}

function wrongKey(): TqError {
  return unauthenticated("the key is not one of this broker's");
}

function unauthenticated(message: string): TqError {
  return new TqError("unauthenticated", message);
}
