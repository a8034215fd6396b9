/** Waits for a learner to catch up, and makes it a voter. */
import { type ClusterJson, TqError } from "task-queue-client";
import type { Context } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";

const PAUSE_MS = 500;
/** Further behind than this it is not even asked for; the leader judges in the end. */
const LAG_MAX = 1_000;
/** How often a person is told how far it is. */
const TELL_MS = 5_000;

/** The cluster with its new voter; `first` is how it stood last. `until` as `io.now()`. */
export async function promoteWhenCaughtUp(
  { client, io }: Context,
  id: string,
  until: number,
  first: ClusterJson,
): Promise<ClusterJson> {
  let cluster = first;
  let why = "";
  let tellAt = io.now() + TELL_MS;
  for (;;) {
    const deadlineMs = until - io.now();
    if (deadlineMs <= 0) break;
    const outcome = await tryToPromote(cluster, id, (member) =>
      client.members.promote(member, { deadlineMs }),
    );
    if (typeof outcome !== "string") return outcome;
    why = outcome;
    if (io.now() >= tellAt) {
      io.stderr(`tq-admin: ${why}\n`);
      tellAt = io.now() + TELL_MS;
    }
    await io.sleep(PAUSE_MS);
    const left = until - io.now();
    if (left > 0) cluster = await client.members.status({ deadlineMs: left });
  }
  const next = `it goes on catching up; promote it later: tq-admin members promote ${id}`;
  throw new CliError(EXIT.temporary, `${id} is not a voter yet: ${why}; ${next}`);
}

/** The cluster afterwards, or why not yet. */
async function tryToPromote(
  cluster: ClusterJson,
  id: string,
  promote: (id: string) => Promise<ClusterJson>,
): Promise<ClusterJson | string> {
  const member = cluster.members.find((candidate) => candidate.id === id);
  if (member === undefined) {
    throw new CliError(EXIT.no, `${id} is no member any more: somebody has removed it`);
  }
  if (member.role !== "learner") return cluster;
  if (member.lag === null) return `the leader has not heard from ${id} yet`;
  if (member.lag > LAG_MAX) return `${id} lacks ${member.lag} entries`;
  try {
    return await promote(id);
  } catch (error) {
    if (error instanceof TqError && error.code === "state_conflict") return error.message;
    throw error;
  }
}
