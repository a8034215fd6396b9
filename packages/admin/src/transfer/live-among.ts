/**
 * How many of the tasks that a submit was answered with have not ended. A task that was deleted is
 * answered as pending, since nobody knows more of it: so those are asked for.
 */
import { TqError } from "task-queue-client";
import type { AdminClient } from "../io.ts";
import { hasEnded } from "../task-view.ts";

const ASKED_AT_ONCE = 50;

export async function liveAmong(
  client: Pick<AdminClient, "get">,
  tasks: readonly { readonly id: string; readonly state: string }[],
): Promise<number> {
  const known = tasks.filter(({ state }) => state !== "pending" && !hasEnded(state));
  const doubtful = tasks.filter(({ state }) => state === "pending");
  let live = known.length;
  for (let at = 0; at < doubtful.length; at += ASKED_AT_ONCE) {
    const some = doubtful.slice(at, at + ASKED_AT_ONCE);
    const answers = await Promise.all(some.map(({ id }) => isLive(client, id)));
    live += answers.filter((each) => each).length;
  }
  return live;
}

async function isLive(client: Pick<AdminClient, "get">, id: string): Promise<boolean> {
  try {
    return (await client.get(id)).finished_at === undefined;
  } catch (error) {
    if (error instanceof TqError && error.code === "not_found") return false;
    throw error;
  }
}
