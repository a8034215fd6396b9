/**
 * Finds or founds this node's cluster: greets the configured peers until `formation.ts` decides.
 *
 * Resolves at once for a node that belongs to a cluster. Otherwise it goes on for ever, with a log
 * line now and then that says for whom it waits and what is wrong; nothing but an abort or a failed
 * save ends it early. The document is saved before this node answers for it or acts on it. From the
 * first moment on, and long after it has resolved, the server answers the greetings of others.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type * as grpc from "@grpc/grpc-js";
import { Throttle } from "../observe/throttle.ts";
import type { Formation, Identity, Member } from "../ports.ts";
import type { BusServer, Greeter } from "./bus-server.ts";
import { type DialOptions, dialClient, troubleOf } from "./dial.ts";
import { readFormation } from "./document.ts";
import {
  announce,
  decide,
  foundingOf,
  judgeForm,
  type PeerView,
  type Seeker,
} from "./formation.ts";
import { ask, greet } from "./greet.ts";
import { memberGreeter, replyTo } from "./greeter.ts";
import { PROTOCOL_VERSIONS, type VersionRange } from "./handshake.ts";
import { GREET_INTERVAL_MS, WAITING_FIRST_LOG_MS, WAITING_LOG_MS } from "./limits.ts";
import type { Logger } from "./logger.ts";
import { busOf, type PeerAddress } from "./peers.ts";
import type { FormReply, FormRequest, GreetReply, GreetRequest } from "./raft-service.ts";

export interface FormOptions {
  readonly server: BusServer;
  readonly identity: Pick<Identity, "formation">;
  /** This node, with the addresses where others reach it. */
  readonly member: Member;
  /** The others; this node may be among them. Empty: a cluster of one. */
  readonly peers: readonly PeerAddress[];
  /** Resolves when the document is on disk. A rejection is final. */
  readonly saveFormation: (formation: Formation) => Promise<void>;
  readonly log: Logger;
  readonly dial?: DialOptions;
  readonly versions?: VersionRange;
  /** Ends the search; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** This node's cluster and its members when this node became one, once there is one. */
export async function form(options: FormOptions): Promise<Formation> {
  const { identity, member, server, versions = PROTOCOL_VERSIONS } = options;
  const formation = identity.formation ?? (await new Search(options).run());
  server.answerGreetings(memberGreeter({ member, versions }, () => formation));
  return formation;
}

/** The life of one unformed node, as long as it is unformed. */
class Search implements Greeter {
  readonly #options: FormOptions;
  readonly #self: Seeker;
  readonly #views: PeerView[];
  readonly #over = new AbortController();
  readonly #outcome: Promise<Formation>;
  #resolve!: (formation: Formation) => void;
  #reject!: (reason: unknown) => void;
  #saving: Promise<Formation> | undefined;
  #formation: Formation | undefined;
  #founded = false;
  readonly #throttle = new Throttle();
  #reminder: NodeJS.Timeout | undefined;

  constructor(options: FormOptions) {
    const { member, peers, versions = PROTOCOL_VERSIONS } = options;
    this.#options = options;
    this.#self = { member, versions };
    const addresses = new Map(peers.map((peer) => [busOf(peer), peer.id]));
    addresses.delete(member.bus);
    this.#views = [...addresses].map(([address, expected]) => ({
      address,
      expected,
      answer: undefined,
      trouble: undefined,
    }));
    this.#outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  async run(): Promise<Formation> {
    const { log, member, server, signal } = this.#options;
    signal?.throwIfAborted();
    const abort = () => this.#reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const addresses = this.#views.map((view) => view.address);
    if (addresses.length > 0) {
      const fields = { bus: member.bus, peers: addresses };
      log.info(fields, `${member.id} looks for its cluster at ${addresses.join(", ")}`);
    }
    this.#remindIn(WAITING_FIRST_LOG_MS);
    server.answerGreetings(this);
    this.#evaluate();
    const loops = this.#views.map((_, place) => this.#visit(place));
    try {
      const formation = await this.#outcome;
      if (this.#founded) await this.#handOut(formation);
      return formation;
    } finally {
      clearTimeout(this.#reminder);
      signal?.removeEventListener("abort", abort);
      this.#over.abort();
      await Promise.all(loops);
    }
  }

  greet(request: GreetRequest): GreetReply {
    return replyTo(request, this.#self, this.#views, this.#formation);
  }

  async form(request: FormRequest): Promise<FormReply> {
    if (request.formation === null) return { verdict: "REFUSED", reason: "no document" };
    const offered = readFormation(request.formation);
    // A document that is just being saved counts: two must never be accepted.
    const current = await this.#saving;
    const verdict = judgeForm(this.#self, this.#views, current, offered);
    if (verdict.verdict !== "ACCEPTED") return verdict;
    const saved = await this.#settle(offered);
    if (saved.clusterId === offered.clusterId) return verdict;
    return judgeForm(this.#self, this.#views, saved, offered);
  }

  /** Greets one peer again and again until the search is over. */
  async #visit(place: number): Promise<void> {
    const { signal } = this.#over;
    const { address } = this.#views[place]!;
    let client: grpc.Client | undefined;
    while (!signal.aborted) {
      client ??= dialClient(address, this.#options.dial);
      const answer = await this.#greetOnce(client, place);
      if (!answer) {
        // Its own waits between attempts would stand behind ours.
        client.close();
        client = undefined;
      }
      if (signal.aborted) break;
      this.#evaluate();
      await sleep(GREET_INTERVAL_MS, undefined, { signal }).catch(() => {});
    }
    client?.close();
  }

  /** False when the peer did not answer. */
  async #greetOnce(client: grpc.Client, place: number): Promise<boolean> {
    const view = this.#views[place]!;
    const from = announce(this.#self, this.#views, this.#formation);
    try {
      const answer = await greet(client, from, this.#over.signal);
      this.#views[place] = { ...view, answer, trouble: undefined };
      return true;
    } catch (error) {
      this.#views[place] = { ...view, answer: undefined, trouble: troubleOf(error) };
      return false;
    }
  }

  #evaluate(): void {
    if (this.#saving !== undefined) return;
    const decision = decide(this.#self, this.#views);
    if (decision.type === "wait") return;
    const { log, member } = this.#options;
    if (decision.type === "adopt") {
      const { clusterId } = decision.formation;
      log.info({ clusterId }, `${member.id} is a member of cluster ${clusterId}`);
      this.#settle(decision.formation).catch(() => {});
      return;
    }
    this.#founded = true;
    const clusterId = randomBytes(16).toString("hex");
    const ids = decision.members.map(({ id }) => id);
    log.info({ clusterId, members: ids }, `${member.id} founds the cluster of ${ids.join(", ")}`);
    this.#settle(foundingOf(clusterId, decision.members)).catch(() => {});
  }

  /** Saves the first document that comes here and no other; what it returns is on disk. */
  #settle(formation: Formation): Promise<Formation> {
    this.#saving ??= this.#save(formation);
    return this.#saving;
  }

  async #save(formation: Formation): Promise<Formation> {
    try {
      await this.#options.saveFormation(formation);
    } catch (error) {
      this.#reject(error);
      throw error;
    }
    this.#formation = formation;
    this.#resolve(formation);
    return formation;
  }

  /** One call to each; who misses it asks by itself. */
  async #handOut(formation: Formation): Promise<void> {
    const { log } = this.#options;
    const calls = this.#views.map(async ({ address, answer }) => {
      const peer = answer?.from.member.id ?? address;
      const client = dialClient(address, this.#options.dial);
      try {
        const { verdict, reason } = await ask(client, "form", { formation });
        if (verdict === "ACCEPTED") return;
        log.warn({ peer, verdict, reason }, `${peer} does not join yet: ${reason}`);
      } catch (error) {
        const reason = troubleOf(error);
        log.warn({ peer, reason }, `${peer} did not hear of the new cluster yet: ${reason}`);
      } finally {
        client.close();
      }
    });
    await Promise.all(calls);
  }

  #remindIn(ms: number): void {
    this.#reminder = setTimeout(() => {
      this.#remindIn(WAITING_LOG_MS);
      this.#remind();
    }, ms);
  }

  /** Says for whom it waits, and what is wrong. */
  #remind(): void {
    const decision = decide(this.#self, this.#views);
    if (decision.type !== "wait") return;
    const { waiting, wrong } = decision;
    const { log, member } = this.#options;
    const parts = waiting.length > 0 ? [`waiting for ${waiting.join(", ")}`, ...wrong] : wrong;
    const line = `${member.id} is in no cluster yet: ${parts.join("; ")}`;
    if (!this.#throttle.allows(line)) return;
    if (wrong.length > 0) log.warn({ waiting, wrong }, line);
    else log.info({ waiting }, line);
  }
}
