/**
 * The unary calls of the bus, and the questions that one node asks another: who are you, and do you
 * belong to a cluster? Each has a deadline, none changes anything at the node that is asked.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type * as grpc from "@grpc/grpc-js";
import type { Member } from "../ports.ts";
import { type DialOptions, dialClient, troubleOf } from "./dial.ts";
import { readFormation, readMember } from "./document.ts";
import type { PeerAnswer } from "./formation.ts";
import {
  commonVersion,
  PROTOCOL_VERSIONS,
  type VersionRange,
  versionTrouble,
} from "./handshake.ts";
import { GREET_INTERVAL_MS, GREET_TIMEOUT_MS, NEWCOMER_PATIENCE_MS } from "./limits.ts";
import { busOf, isLoopback, type PeerAddress } from "./peers.ts";
import {
  type Announcement,
  type FormReply,
  type FormRequest,
  type GreetReply,
  type GreetRequest,
  RAFT_SERVICE,
} from "./raft-service.ts";

interface Calls {
  readonly greet: readonly [GreetRequest, GreetReply];
  readonly form: readonly [FormRequest, FormReply];
}

/** One unary call with a deadline, or until `signal`. Rejects with the call's status. */
export function ask<K extends keyof Calls>(
  client: grpc.Client,
  name: K,
  request: Calls[K][0],
  signal?: AbortSignal,
): Promise<Calls[K][1]> {
  const method = RAFT_SERVICE[name] as unknown as grpc.MethodDefinition<Calls[K][0], Calls[K][1]>;
  return new Promise((resolve, reject) => {
    const cancel = () => pending.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    const pending = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      { deadline: Date.now() + GREET_TIMEOUT_MS },
      (error, answer) => {
        signal?.removeEventListener("abort", cancel);
        if (error !== null) reject(error);
        else resolve(answer as Calls[K][1]);
      },
    );
  });
}

/** Rejects with the call's status, or when the answer makes no sense. */
export async function greet(
  client: grpc.Client,
  from: Announcement,
  signal?: AbortSignal,
): Promise<PeerAnswer> {
  const { from: found, formation, refusal } = await ask(client, "greet", { from }, signal);
  if (found?.member == null) throw new Error("an answer without a name");
  return {
    from: { ...found, member: readMember(found.member) },
    formation: formation === null ? undefined : readFormation(formation),
    refusal,
  };
}

/** Who wants to know. */
export interface Greeting {
  readonly member: Member;
  readonly clusterId: string;
  readonly dial?: DialOptions;
  readonly versions?: VersionRange;
  /** How long it may take to come up, ms: whoever adds a node has often just started it. */
  readonly patienceMs?: number;
  /** It did not answer, and is asked again. */
  readonly onSilence?: (where: string, trouble: string) => void;
}

/** The node cannot be added as it is; the message says why and what to do. */
export class GreetError extends Error {
  override readonly name = "GreetError";
}

/**
 * The node that listens at `peer` and belongs to no cluster yet, for a leader that is about to add
 * it. Rejects with a `GreetError` when nobody has answered within `patienceMs`.
 */
export async function greetMember(peer: PeerAddress, self: Greeting): Promise<Member> {
  const where = busOf(peer);
  const { versions = PROTOCOL_VERSIONS } = self;
  const { min: versionMin, max: versionMax } = versions;
  const { member, clusterId } = self;
  // Revision 0 is nobody's news: the node that is asked has no reason to ask back.
  const from = { member, versionMin, versionMax, clusterId, peers: [], revision: 0 };
  const until = performance.now() + (self.patienceMs ?? NEWCOMER_PATIENCE_MS);
  const answer = await greetUntil(until, where, from, self).catch((cause: unknown) => {
    const words = `no broker answers at ${where} (${troubleOf(cause)})`;
    const advice = "start it with raft.enabled: true, and open its bus port to the others";
    throw new GreetError(`${words}: ${advice}`, { cause });
  });
  const trouble = newcomerTrouble(peer, self, versions, answer);
  if (trouble !== undefined) throw new GreetError(trouble);
  return answer.from.member;
}

/** Again and again, with a connection of its own each time. */
async function greetUntil(
  until: number,
  where: string,
  from: Announcement,
  { dial, onSilence }: Greeting,
): Promise<PeerAnswer> {
  for (;;) {
    const client = dialClient(where, dial);
    try {
      return await greet(client, from);
    } catch (error) {
      onSilence?.(where, troubleOf(error));
      if (performance.now() >= until) throw error;
    } finally {
      client.close();
    }
    await sleep(GREET_INTERVAL_MS);
  }
}

/** Why the node that answered cannot be added. */
function newcomerTrouble(
  peer: PeerAddress,
  self: Greeting,
  versions: VersionRange,
  { from }: PeerAnswer,
): string | undefined {
  const where = busOf(peer);
  const { id, bus } = from.member;
  if (peer.id !== undefined && id !== peer.id) {
    return `the broker at ${where} calls itself ${id}, not ${peer.id}: correct one of the two`;
  }
  const theirs = { min: from.versionMin, max: from.versionMax };
  if (commonVersion(versions, theirs) === undefined) {
    const { id: nodeId } = self.member;
    return versionTrouble({ nodeId, versions }, { nodeId: id, versions: theirs });
  }
  if (from.clusterId === self.clusterId) {
    return (
      `${id} at ${where} belongs to this cluster already, or did: ` +
      `only a node with an empty persistence.data_dir can be added`
    );
  }
  if (from.clusterId !== "") {
    return (
      `${id} at ${where} belongs to cluster ${from.clusterId}: ` +
      `only a node with an empty persistence.data_dir can be added`
    );
  }
  if (isLoopback(bus) && !isLoopback(where)) {
    return `${id} says that the others reach it at ${bus}: set its broker.advertise`;
  }
  return undefined;
}
