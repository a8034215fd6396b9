/**
 * Whether a signed request is what the holder of a key's secret signed, just now and once. Nothing
 * is remembered for a stranger: a nonce is looked at after the signature was found to be right.
 */
import {
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { TqError } from "task-queue-protocol";
import type { ApiKey } from "../config/api-keys.ts";
import type { SignedRequest } from "../operations/access.ts";
import { Nonces } from "./nonces.ts";

export interface SignaturesOptions {
  readonly keys: readonly ApiKey[];
  /** How far the clocks of signer and broker may be apart. */
  readonly windowMs: number;
  /** Milliseconds of the wall clock. */
  readonly now: () => number;
  /** Nonces that are remembered at most. */
  readonly noncesMax?: number | undefined;
}

export class Signatures {
  #secrets: ReadonlyMap<string, KeyObject> = new Map();
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #nonces: Nonces;
  /** For names that there are not: they take as long as those that there are. */
  readonly #nobody = createSecretKey(randomBytes(32));
  /** Of this process alone, so that nobody can choose where a nonce is put. */
  readonly #spread = randomBytes(32);

  constructor({ keys, windowMs, now, noncesMax }: SignaturesOptions) {
    this.#windowMs = windowMs;
    this.#now = now;
    this.#nonces = new Nonces(windowMs, now(), noncesMax);
    this.replace(keys);
  }

  /** From now on these are the secrets. */
  replace(keys: readonly ApiKey[]): void {
    this.#secrets = new Map(
      keys.flatMap(({ name, signingSecret }) => {
        return signingSecret === undefined ? [] : [[name, signingSecret] as const];
      }),
    );
  }

  /** Throws `TqError`: `unauthenticated`, or `overloaded` when it cannot be told for now. */
  check({ key, signature, text, dateMs, nonce }: SignedRequest): void {
    const secret = this.#secrets.get(key);
    const right = createHmac("sha256", secret ?? this.#nobody)
      .update(text, "latin1")
      .digest();
    const shown = Buffer.from(signature, "base64url");
    const isRight = shown.length === right.length && timingSafeEqual(shown, right);
    if (secret === undefined || !isRight) throw wrongSignature();
    const now = this.#now();
    if (Math.abs(now - dateMs) > this.#windowMs) throw this.#outsideWindow(dateMs, now);
    this.#takeOnce(key, nonce, dateMs, now);
  }

  #takeOnce(key: string, nonce: string, dateMs: number, now: number): void {
    const digest = createHmac("sha256", this.#spread).update(`${key}\n${nonce}`).digest();
    const verdict = this.#nonces.add(digest, dateMs, now);
    switch (verdict) {
      case "new":
        return;
      case "seen":
        throw unauthenticated("this nonce has come before: each try is signed anew, with its own");
      case "unsure":
        throw overloaded("this broker may have had it before it last started: sign it anew");
      case "full":
        throw overloaded(`${this.#nonces.size} nonces are remembered; sign it anew in a moment`);
      default:
        verdict satisfies never;
    }
  }

  #outsideWindow(dateMs: number, now: number): TqError {
    const clocks = `the request is dated ${iso(dateMs)}, and this broker's clock says ${iso(now)}`;
    const rule = `they may be ${this.#windowMs / 1_000} s apart`;
    return unauthenticated(`${clocks}; ${rule}: set the clocks right, and sign each try anew`);
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** The same for names and for secrets, so that nobody can look for names. */
function wrongSignature(): TqError {
  const advice = "compare what was signed with what was sent, and the secret with the broker's";
  return unauthenticated(`the signature is not that of this request by such a key; ${advice}`);
}

function unauthenticated(message: string): TqError {
  return new TqError("unauthenticated", message);
}

function overloaded(message: string): TqError {
  return new TqError("overloaded", message);
}
