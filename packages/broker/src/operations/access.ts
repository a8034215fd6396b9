/** Who asks, and whether they may: what every door asks before it performs a verb. */
import { TqError } from "task-queue-protocol";
import type { Verb } from "./permissions.ts";

/** Somebody who showed a valid key, or anybody where keys are not asked for. */
export interface Caller {
  /** Name of the key; "anonymous" where none was asked for. */
  readonly name: string;
  /** Of a key that the cluster keeps: two may have the same name. */
  readonly keyId?: string | undefined;
  /** Throws `TqError` with `permission_denied` unless this caller may do it. */
  demand(verb: Verb): void;
  /**
   * To be awaited after `demand`, before an operator's verb is performed: whether the caller may do
   * it by all that the cluster knows by now, of which this node may lack the last. Rejects as
   * `demand` throws, and with `TqError` when it cannot be told. Undefined: `demand` has said all.
   */
  confirm?(verb: Verb): Promise<void> | undefined;
  /**
   * Counts what is asked against the rate of this caller: 1 for a request, or one for each of its
   * tasks; `paid` of these were counted before. Throws `RateLimited` when it is too much for now.
   */
  spend(count: number, paid?: number): void;
}

export interface Access {
  /**
   * Whose key this is. `key` is what was sent, undefined if nothing was; `address` is the peer's,
   * without its port. Rejects with `TqError`: `unauthenticated`; `rate_limited` when too many wrong
   * keys came from there; `overloaded` when too many keys wait to be checked.
   */
  identify(key: string | undefined, address: string): Promise<Caller>;
  /** Told of a refusal that needed no look at a key. */
  refused?(error: unknown, address: string): void;
  /**
   * Who has signed it. Throws `TqError`: `unauthenticated`; `overloaded` when it cannot be told for
   * now whether it has come before. `address` as above. Without it nobody can sign.
   */
  identifySigned?(request: SignedRequest, address: string): Caller;
  /** REST takes no key, but only what is signed. */
  readonly isSigningRequired?: boolean | undefined;
  /** As `spend` of a caller, for a key that has no rate of its own. Without it there is no rate. */
  spendOfOther?(key: OtherKey, count: number, paid?: number): void;
  /** How often each key has asked too much, by name; a bounded number of names. */
  readonly rateLimited?: ReadonlyMap<string, number> | undefined;
}

/** One that is not among those of the configuration. */
export interface OtherKey {
  readonly id: string;
  readonly name: string;
}

/** Of HTTP, whose sender proves to have a key's secret instead of showing a key. */
export interface SignedRequest {
  /** Name of the key. */
  readonly key: string;
  /** When it was signed, by the signer's clock. */
  readonly dateMs: number;
  readonly nonce: string;
  /** In base64url. */
  readonly signature: string;
  /** What was signed; a character for each byte. */
  readonly text: string;
}

/** Who is not asked for a key may do everything. */
export const ANYBODY: Caller = { name: "anonymous", demand() {}, spend() {} };

/** Does it once it is certain that the caller may; at once where that takes no look elsewhere. */
export function confirmed<T>(caller: Caller, verb: Verb, act: () => Promise<T>): Promise<T> {
  return caller.confirm?.(verb)?.then(act) ?? act();
}

/** Where `auth.enabled` is false. */
export const OPEN_ACCESS: Access = {
  identify: async () => ANYBODY,
  identifySigned: () => ANYBODY,
};

/** `rate_limited`, with the time after which it makes sense to come again. */
export class RateLimited extends TqError {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super("rate_limited", message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The headers of HTTP that may carry a key, as Node gives them. */
export interface KeyHeaders {
  readonly authorization?: string | undefined;
  readonly "x-api-key"?: string | readonly string[] | undefined;
}

/** `identify` by the key in the headers of a request of HTTP. */
export async function identifyByHeaders(
  access: Access,
  headers: KeyHeaders,
  address: string,
): Promise<Caller> {
  let key: string | undefined;
  try {
    key = keyOfHeaders(headers);
  } catch (error) {
    access.refused?.(error, address);
    throw error;
  }
  return access.identify(key, address);
}

/** `identifySigned`, where there is such a thing. */
export function identifyBySignature(
  access: Access,
  request: SignedRequest,
  address: string,
): Caller {
  const caller = access.identifySigned?.(request, address);
  if (caller !== undefined) return caller;
  throw new TqError("unauthenticated", "signed requests are not taken here; show a key");
}

/** Throws `unauthenticated` when there is an `Authorization` of another kind. */
function keyOfHeaders(headers: KeyHeaders): string | undefined {
  const { authorization, "x-api-key": plain } = headers;
  if (authorization === undefined) return plain === undefined ? undefined : utf8(String(plain));
  const key = /^Bearer +([^ ].*)$/i.exec(authorization)?.[1];
  if (key !== undefined) return utf8(key);
  throw new TqError("unauthenticated", "the Authorization header has the form: Bearer KEY");
}

/** Node reads headers byte by byte; hashes are of UTF-8. */
function utf8(header: string): string {
  return Buffer.from(header, "latin1").toString("utf8");
}
