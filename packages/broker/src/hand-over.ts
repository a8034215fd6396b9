/**
 * What a leader does before it stops: hands its office to another voter, so that the cluster is not
 * without one for an election timeout. Writes that come meanwhile are held and go to the successor.
 */
import type { Runtime } from "./runtime.ts";

/** Beyond this it stops all the same; the others elect one of them. */
export const HAND_OVER_MS_MAX = 3_000;

/** Resolves when this node leads no more, or after `limitMs`; true: another one leads. */
export async function handOver(runtime: Runtime, limitMs = HAND_OVER_MS_MAX): Promise<boolean> {
  runtime.input((replica) => replica.drain());
  const { replica } = runtime;
  const { id } = replica.raft;
  const hasSuccessor = replica.members.some((member) => member.voter && member.id !== id);
  const isDone = (): boolean => !replica.leads && replica.raft.leader !== undefined;
  if (!replica.leads || !hasSuccessor) return isDone();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    };
    const timer = setTimeout(end, limitMs);
    const unsubscribe = runtime.onLeadership(() => {
      if (isDone() || runtime.closed) end();
    });
  });
  return isDone();
}
