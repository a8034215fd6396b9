/**
 * The question of one member to another about scheduled backups, and the answer to it: who asks has
 * a connection of its own and a deadline, and believes only the member that it meant.
 */
import type { BackupReport, Member } from "../ports.ts";
import { type DialOptions, dialClient } from "./dial.ts";
import { otherCluster } from "./handshake.ts";
import { BACKUPS_TIMEOUT_MS } from "./limits.ts";
import { type BackupsReply, type BackupsRequest, RAFT_SERVICE } from "./raft-service.ts";

/** Rejects when there is no answer that says anything; so it does for members up to 0.4.0. */
export type AskBackups = (
  member: Pick<Member, "id" | "bus">,
  question: BackupsRequest,
  signal: AbortSignal,
) => Promise<BackupReport>;

export function backupsAsker(dial?: DialOptions): AskBackups {
  return async ({ id, bus }, question, signal) => {
    const client = dialClient(bus, dial, id);
    const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.backups;
    const reply = new Promise<BackupsReply>((resolve, reject) => {
      const cancel = () => pending.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      const pending = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        question,
        { deadline: Date.now() + BACKUPS_TIMEOUT_MS },
        (error, answer) => {
          signal.removeEventListener("abort", cancel);
          if (error !== null) reject(error);
          else resolve(answer as BackupsReply);
        },
      );
    });
    return reportOf(id, await reply.finally(() => client.close()));
  };
}

const STATES = { CANNOT: "cannot", CAN: "can", MAKES: "makes" } as const;
const WORDS = { cannot: "CANNOT", can: "CAN", makes: "MAKES" } as const;

function reportOf(id: string, { nodeId, state, hasOne, ageMs }: BackupsReply): BackupReport {
  if (nodeId !== id) throw new Error(`${nodeId} has answered in place of ${id}`);
  if (state === "UNSPECIFIED") throw new Error("an answer that this tq-broker does not understand");
  return { state: STATES[state], ageMs: hasOne ? ageMs : undefined };
}

/** The answer of a node to another one of its cluster; anybody else gets none. */
export async function answerBackups(
  { clusterId, nodeId: asker }: BackupsRequest,
  own: { readonly nodeId: string; readonly clusterId: string },
  report: () => Promise<BackupReport>,
): Promise<BackupsReply> {
  if (clusterId !== own.clusterId) {
    throw new Error(otherCluster({ nodeId: asker, clusterId }, own));
  }
  const { state, ageMs } = await report();
  const { nodeId } = own;
  return { nodeId, state: WORDS[state], hasOne: ageMs !== undefined, ageMs: ageMs ?? 0 };
}
