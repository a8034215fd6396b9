/**
 * The question of a member that has lost data, to one address: may I come back? With a connection
 * of its own and a deadline; the answer is checked before anything is believed.
 */
import * as grpc from "@grpc/grpc-js";
import type { Formation, Member } from "../ports.ts";
import { type DialOptions, dialClient, troubleOf } from "./dial.ts";
import { readFormation } from "./document.ts";
import { REJOIN_TIMEOUT_MS } from "./limits.ts";
import { RAFT_SERVICE, type RejoinReply, type RejoinRequest } from "./raft-service.ts";

export interface RejoinQuestion extends RejoinRequest {
  readonly member: Member;
}

export type RejoinAnswer =
  | { readonly verdict: "DONE"; readonly formation: Formation }
  | { readonly verdict: "ASK"; readonly leaderBus: string; readonly reason: string }
  | { readonly verdict: "CONFIRM"; readonly wasVoter: boolean }
  | { readonly verdict: "REFUSED"; readonly reason: string }
  | { readonly verdict: "WAIT"; readonly reason: string };

/** Whatever keeps the question from being answered is one more reason to wait. */
export type CallRejoin = (
  address: string,
  question: RejoinQuestion,
  signal: AbortSignal,
) => Promise<RejoinAnswer>;

export function rejoinCaller(dial?: DialOptions): CallRejoin {
  return async (address, question, signal) => {
    const client = dialClient(address, dial);
    try {
      return read(await call(client, question, signal));
    } catch (error) {
      return { verdict: "WAIT", reason: wordsFor(error) };
    } finally {
      client.close();
    }
  };
}

function call(
  client: grpc.Client,
  question: RejoinQuestion,
  signal: AbortSignal,
): Promise<RejoinReply> {
  const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.rejoin;
  return new Promise((resolve, reject) => {
    const cancel = () => pending.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    const pending = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      question,
      { deadline: Date.now() + REJOIN_TIMEOUT_MS },
      (error, answer) => {
        signal.removeEventListener("abort", cancel);
        if (error !== null) reject(error);
        else resolve(answer as RejoinReply);
      },
    );
  });
}

/** Throws `DocumentError`, or for an answer that says nothing. */
function read({ verdict, reason, leaderBus, wasVoter, formation }: RejoinReply): RejoinAnswer {
  switch (verdict) {
    case "DONE":
      if (formation === null) throw new Error("an answer without the members");
      return { verdict, formation: readFormation(formation) };
    case "ASK":
      return { verdict, leaderBus, reason };
    case "CONFIRM":
      return { verdict, wasVoter };
    case "REFUSED":
    case "WAIT":
      return { verdict, reason };
    case "UNSPECIFIED":
      throw new Error("an answer that this tq-broker does not understand");
  }
}

function wordsFor(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  if (code !== grpc.status.UNIMPLEMENTED) return troubleOf(error);
  return "it runs an older tq-broker, which cannot take a member back: upgrade it";
}
