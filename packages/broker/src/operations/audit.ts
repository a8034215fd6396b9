/**
 * What the doors tell the audit log: who did which administrative action and what came of it, and
 * who was refused. Submits, reads and what workers do are none of its business. Nothing of what a
 * caller sends gets in but names and ids of what it is about, numbers and switches.
 */
import { type AuditPageJson, type AuditParams, TqError } from "task-queue-protocol";
import { type Access, type Caller, identifyBySignature, OPEN_ACCESS } from "./access.ts";
import { KEY_NAME } from "./key-text.ts";
import { PERMISSION_OF, PERMISSIONS, type Permission, type Verb } from "./permissions.ts";
import type { Answer } from "./read-options.ts";

export type AuditDoor = "rest" | "grpc" | "worker" | "metrics" | "process";

export interface Deed {
  /** See `AuditEntry`, as for all of these. */
  readonly who: string;
  /** Of a key that the cluster keeps. */
  readonly keyId?: string | undefined;
  readonly from: string;
  readonly door: AuditDoor;
  readonly verb: string;
  readonly target: string;
  readonly detail?: string | undefined;
  readonly outcome: string;
  readonly index?: number | undefined;
}

export interface Audit {
  /** Resolves when the line is written, or cannot be; never rejects. */
  action(deed: Deed): Promise<void>;
  /** One of many perhaps: these are counted, and written once a second. */
  refusal(deed: Deed): void;
  /** Throws `TqError` where no log is kept. */
  read(params: AuditParams, who: string): Promise<AuditPageJson>;
  /** An answer to `who` has named this position a moment ago. */
  isContinued(who: string, position: string): boolean;
}

/** Where `audit.enabled` is false. */
export const NO_AUDIT: Audit = {
  action: async () => undefined,
  refusal() {},
  read: async () => {
    throw new TqError("state_conflict", "this broker keeps no audit log: audit.enabled is false");
  },
  isContinued: () => false,
};

/** An action before its outcome is known. */
export interface Request {
  readonly caller: Caller;
  readonly from: string;
  readonly door: AuditDoor;
  readonly verb: Verb;
  /** As they came. */
  readonly params: unknown;
}

const AUDITED: ReadonlySet<Permission> = new Set(["admin", "admin:dlq", "cancel_tasks"]);
const REFUSALS: ReadonlySet<string> = new Set([
  "unauthenticated",
  "permission_denied",
  "rate_limited",
]);
/** What has ended between the question and the deed is noted as a refusal where that is found. */
export const WITHDRAWN: ReadonlySet<string> = new Set(["unauthenticated", "permission_denied"]);
/** Parameters that name what an action is about. */
const TARGETS = ["id", "name", "peer", "to"] as const;
const MEMBER_VERBS: ReadonlySet<string> = new Set(["promote_member", "remove_member"]);
/** Of a task, a job or a backup. Whatever else somebody takes for an id may be anything. */
const ID = /^[0-9a-f-]{32,36}$/i;
const CREATE_KEY = "create_key";
const PARAMETER = /^[a-z_]{1,32}$/;
const DETAIL_LENGTH_MAX = 200;

/** Of what is asked for piece by piece, the first piece is the action. */
export function isAudited(verb: Verb, params: unknown): boolean {
  if (!AUDITED.has(PERMISSION_OF[verb])) return false;
  const { offset } = fieldsOf(params);
  // Parameters that are null count as absent where they are read, too.
  return verb !== "snapshot" || offset === undefined || offset === null || offset === 0;
}

/** The next page of a reading that has its line. */
function isNextPage(audit: Audit, { verb, caller, params }: Request): boolean {
  const { position } = fieldsOf(params);
  if (verb !== "audit" || typeof position !== "string") return false;
  return audit.isContinued(readerOf(caller), position);
}

/** Whose reading it is: two keys may have the same name, and no name of a key has a colon. */
export function readerOf({ name, keyId }: Pick<Caller, "name" | "keyId">): string {
  return keyId === undefined ? name : `:${keyId}`;
}

/** Does it, and answers when the log has a line of it. */
export async function audited<T>(
  audit: Audit,
  request: Request,
  act: () => Promise<Answer<T>>,
): Promise<Answer<T>> {
  if (!isAudited(request.verb, request.params) || isNextPage(audit, request)) return act();
  try {
    const answer = await act();
    await audit.action(deedOf(request, "ok", answer));
    return answer;
  } catch (error) {
    const outcome = error instanceof TqError ? error.code : "internal";
    if (!WITHDRAWN.has(outcome)) await audit.action(deedOf(request, outcome));
    throw error;
  }
}

function deedOf(request: Request, outcome: string, answer?: Answer<unknown>): Deed {
  const { caller, from, door, verb, params } = request;
  const made = targetOf(verb, answer?.value);
  const named = targetOf(verb, params);
  // A key's name says less than its id, and stands among the details.
  const target = (verb === CREATE_KEY ? (made ?? named) : (named ?? made)) ?? "";
  const detail = detailOf(verb, params);
  const { name: who, keyId } = caller;
  return { who, keyId, from, door, verb, target, detail, outcome, index: answer?.index };
}

/** The name or id in it; undefined: there is none. */
export function targetOf(verb: string, params: unknown): string | undefined {
  const fields = fieldsOf(params);
  const name = TARGETS.find((each) => typeof fields[each] === "string");
  if (name === undefined) return undefined;
  const text = String(fields[name]);
  return name !== "id" || ID.test(text) || MEMBER_VERBS.has(verb) ? text : undefined;
}

/** `paused=true settings.weight`: what could hold a secret is not repeated, only its name. */
export function detailOf(verb: string, params: unknown): string | undefined {
  const { settings, ...fields } = fieldsOf(params);
  const plain = Object.entries(fields).filter(([name, value]) => {
    return PARAMETER.test(name) && (typeof value === "number" || typeof value === "boolean");
  });
  const set = Object.keys(fieldsOf(settings)).filter((name) => PARAMETER.test(name));
  const text = [
    ...(verb === CREATE_KEY ? wordsOf(fields) : []),
    ...plain.map(([name, value]) => `${name}=${value}`),
    ...set.map((name) => `settings.${name}`),
  ].join(" ");
  return text === "" ? undefined : text.slice(0, DETAIL_LENGTH_MAX);
}

/** What a key is called and may do: neither is its secret. */
function wordsOf({ name, permissions }: Readonly<Record<string, unknown>>): readonly string[] {
  const may = PERMISSIONS.filter(
    (each) => Array.isArray(permissions) && permissions.includes(each),
  );
  const called = typeof name === "string" && KEY_NAME.test(name) ? [`name=${name}`] : [];
  return [...called, `permissions=${may.join(",")}`];
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : {};
}

/** The same access, of which every refusal is noted. */
export function auditedAccess(access: Access, audit: Audit, door: AuditDoor): Access {
  // It refuses nobody, and the doors know it by what it is.
  if (access === OPEN_ACCESS || audit === NO_AUDIT) return access;
  const note = (error: unknown, from: string, of: Holder, verb: string): void => {
    if (!(error instanceof TqError && REFUSALS.has(error.code))) return;
    const { name: who, keyId } = of;
    audit.refusal({ who, keyId, from, door, verb, target: "", outcome: error.code });
  };
  const noted = (caller: Caller, address: string): Caller => {
    return new NotedCaller(caller, (error, verb) => note(error, address, caller, verb));
  };
  return {
    isSigningRequired: access.isSigningRequired,
    async identify(key, address) {
      try {
        return noted(await access.identify(key, address), address);
      } catch (error) {
        note(error, address, NOBODY, "");
        throw error;
      }
    },
    identifySigned(request, address) {
      try {
        return noted(identifyBySignature(access, request, address), address);
      } catch (error) {
        note(error, address, NOBODY, "");
        throw error;
      }
    },
    refused: (error, address) => note(error, address, NOBODY, ""),
  };
}

type Holder = Pick<Caller, "name" | "keyId">;

const NOBODY: Holder = { name: "" };

class NotedCaller implements Caller {
  readonly #caller: Caller;
  readonly #onRefused: (error: unknown, verb: Verb | "") => void;

  constructor(caller: Caller, onRefused: (error: unknown, verb: Verb | "") => void) {
    this.#caller = caller;
    this.#onRefused = onRefused;
  }

  get name(): string {
    return this.#caller.name;
  }

  demand(verb: Verb): void {
    try {
      this.#caller.demand(verb);
    } catch (error) {
      this.#onRefused(error, verb);
      throw error;
    }
  }

  get keyId(): string | undefined {
    return this.#caller.keyId;
  }

  confirm(verb: Verb): Promise<void> | undefined {
    return this.#caller.confirm?.(verb)?.catch((error) => {
      this.#onRefused(error, verb);
      throw error;
    });
  }

  spend(count: number, paid?: number): void {
    try {
      this.#caller.spend(count, paid);
    } catch (error) {
      this.#onRefused(error, "");
      throw error;
    }
  }
}
