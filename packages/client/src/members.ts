/**
 * Who belongs to the cluster, who leads it, and what it works with: what only the leader answers.
 * The client asks whichever broker it is connected to who leads, goes there, and asks again for as
 * long as there is time. A change whose answer was lost is not sent twice blindly: the leader's
 * view of the cluster tells whether it has come to pass.
 */
import { type Calls, type ClusterJson, type MemberJson, TqError } from "task-queue-protocol";
import type { Caller, CallOptions } from "./caller.ts";
import type { Link } from "./connection/index.ts";
import { delay } from "./delay.ts";
import { mayResend, outOfTime, resendDelayMs } from "./resend.ts";

export interface ChangeOptions {
  /** How long it is tried; by default as long as any request of the client. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ForceOptions extends ChangeOptions {
  readonly force?: boolean | undefined;
}

export interface TransferOptions extends ChangeOptions {
  /** The voter that is to lead; by default the one that is the furthest. */
  readonly to?: string | undefined;
}

export interface RaiseOptions extends ChangeOptions {
  /** By default the highest version that the leader's program knows. */
  readonly to?: number | undefined;
}

type Verb =
  | "add_member"
  | "promote_member"
  | "remove_member"
  | "transfer_leadership"
  | "raise_version";

interface Change<V extends Verb> {
  readonly verb: V;
  readonly params: Calls[V]["params"];
  /** Has it come to pass? `before` is how things stood before the first try. */
  isDone(now: ClusterJson, before: ClusterJson): boolean;
}

const NEVER = new AbortController().signal;

export class Members {
  readonly #link: Link;
  readonly #caller: Caller;
  readonly #deadlineMs: number;

  constructor(link: Link, caller: Caller, deadlineMs: number) {
    this.#link = link;
    this.#caller = caller;
    this.#deadlineMs = deadlineMs;
  }

  /** The cluster as its leader sees it, which alone knows how far each member is. */
  async status(options: ChangeOptions = {}): Promise<ClusterJson> {
    const search = new Search("status of the members", options, this.#deadlineMs);
    for (;;) {
      const cluster = await this.#ask(search);
      if (leads(cluster)) return cluster;
      await this.#approach(cluster, search);
    }
  }

  /**
   * Adds the node at `peer` (`id@host:port`, as in `raft.peers`) as a learner: it gets the log and
   * does not vote. Throws `state_conflict` when the id is taken or another change is under way.
   */
  add(peer: string, options: ChangeOptions = {}): Promise<ClusterJson> {
    const id = peer.slice(0, Math.max(0, peer.indexOf("@")));
    const isDone = (now: ClusterJson) => memberOf(now, id) !== undefined;
    return this.#change({ verb: "add_member", params: { peer }, isDone }, options);
  }

  /** A learner becomes a voter. `force`: even if it has not caught up. */
  promote(id: string, { force = false, ...options }: ForceOptions = {}): Promise<ClusterJson> {
    const isDone = (now: ClusterJson) => {
      const role = memberOf(now, id)?.role;
      return role !== undefined && role !== "learner";
    };
    return this.#change({ verb: "promote_member", params: { id, force }, isDone }, options);
  }

  /** `force`: even if those who stay could then not reach a quorum. */
  remove(id: string, { force = false, ...options }: ForceOptions = {}): Promise<ClusterJson> {
    const isDone = (now: ClusterJson) => memberOf(now, id) === undefined;
    return this.#change({ verb: "remove_member", params: { id, force }, isDone }, options);
  }

  /** Resolves when another one leads; at once when `to` leads already. */
  transferLeadership({ to, ...options }: TransferOptions = {}): Promise<ClusterJson> {
    const isDone = (now: ClusterJson, before: ClusterJson) => {
      return to === undefined ? now.leader_id !== before.leader_id : now.leader_id === to;
    };
    const params = to === undefined ? {} : { to };
    return this.#change({ verb: "transfer_leadership", params, isDone }, options);
  }

  /**
   * From now on the cluster works with a later version, for ever. Throws `state_conflict`, with the
   * reason, unless every member knows that version.
   */
  raiseVersion({ to, ...options }: RaiseOptions = {}): Promise<ClusterJson> {
    const isDone = (now: ClusterJson, before: ClusterJson) => {
      return now.cluster_version >= (to ?? before.cluster_version + 1);
    };
    const params = to === undefined ? {} : { to };
    return this.#change({ verb: "raise_version", params, isDone }, options);
  }

  async #change<V extends Verb>(change: Change<V>, options: ChangeOptions): Promise<ClusterJson> {
    const search = new Search(change.verb, options, this.#deadlineMs);
    let before: ClusterJson | undefined;
    for (;;) {
      const cluster = await this.#ask(search);
      // A follower that is behind may describe the past: only a leader's word is good here.
      if (!leads(cluster)) {
        await this.#approach(cluster, search);
        continue;
      }
      const isFirst = before === undefined;
      before ??= cluster;
      // Handing over to who leads already is the one change that may be done before the first try.
      const mayBeDone = !isFirst || change.verb === "transfer_leadership";
      if (mayBeDone && change.isDone(cluster, before)) return cluster;
      try {
        return await this.#caller.call(change.verb, change.params, search.once());
      } catch (error) {
        await search.failed(error);
      }
    }
  }

  async #ask(search: Search): Promise<ClusterJson> {
    try {
      return await this.#caller.call("cluster", {}, search.patiently());
    } catch (error) {
      throw search.ended(error);
    }
  }

  /** Goes to the leader that this broker names; waits a little when it names none. */
  async #approach(cluster: ClusterJson, search: Search): Promise<void> {
    const leader = memberOf(cluster, cluster.leader_id);
    if (leader === undefined) return search.pause(`${cluster.node_id} knows no leader`);
    this.#link.redirect(leader.address);
    await search.pause(`${leader.id} leads, at ${leader.address}, and was not reached there`);
  }
}

/** One search for the leader: its deadline, and what is known when that is over. */
class Search {
  readonly #what: string;
  readonly #deadlineMs: number;
  readonly #until: number;
  readonly #signal: AbortSignal;
  #tries = 0;
  #doubtful = false;
  #last: Error | undefined;

  constructor(what: string, { deadlineMs, signal }: ChangeOptions, fallbackMs: number) {
    this.#what = what;
    this.#deadlineMs = deadlineMs ?? fallbackMs;
    this.#until = performance.now() + this.#deadlineMs;
    this.#signal = signal ?? NEVER;
  }

  patiently(): CallOptions {
    return { deadlineMs: this.#left(), signal: this.#signal };
  }

  once(): CallOptions {
    return { ...this.patiently(), resend: false };
  }

  /** After a try: throws what is final, and waits before the next. */
  async failed(error: unknown): Promise<void> {
    if (!(error instanceof TqError && mayResend(error.code))) throw error;
    this.#doubtful ||= error.code === "outcome_unknown";
    await this.pause(error.message);
  }

  /** No broker could even be asked in time: what that means depends on what was sent before. */
  ended(error: unknown): unknown {
    if (!(error instanceof TqError && mayResend(error.code))) return error;
    return outOfTime(this.#what, this.#deadlineMs, this.#doubtful, this.#last ?? error);
  }

  async pause(why: string): Promise<void> {
    this.#last = new Error(why);
    this.#tries++;
    await delay(Math.min(resendDelayMs(this.#tries), this.#left()), this.#signal);
    this.#signal.throwIfAborted();
  }

  /** Throws when the time is over. */
  #left(): number {
    const left = this.#until - performance.now();
    if (left > 0) return left;
    throw outOfTime(this.#what, this.#deadlineMs, this.#doubtful, this.#last);
  }
}

function leads(cluster: ClusterJson): boolean {
  return cluster.leader_id === cluster.node_id;
}

function memberOf(cluster: ClusterJson, id: string | null): MemberJson | undefined {
  return cluster.members.find((member) => member.id === id);
}
