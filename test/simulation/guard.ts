/** What an exception from a replica means for its process: to stop, or that something is broken. */
import type { NodeId } from "task-queue-raft";
import { TooNew } from "../../packages/broker/src/replica/index.ts";
import { DamageFound } from "./state-image.ts";
import { Violation } from "./violation.ts";

/** A process that must end by what it was told by these. */
export interface Stoppable {
  readonly id: NodeId;
  failStop(error: DamageFound): void;
  tooNew(error: TooNew): void;
}

/** Any other exception would end a real process, and here it ends the simulation. */
export function guarded(host: Stoppable, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (error instanceof DamageFound) host.failStop(error);
    else if (error instanceof TooNew) host.tooNew(error);
    else if (error instanceof Violation) throw error;
    else throw new Violation("no assertion fails", `${host.id}: ${stackOf(error)}`);
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
