/**
 * `submit`: a new task, or the same one again; `admission.ts` says which, and what it may not be.
 */
import { judge } from "../admission.ts";
import type { Submit } from "../command.ts";
import { bytesOf, cancelReplaced, make } from "../creation.ts";
import { Plan } from "../plan.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { stateName } from "../state-number.ts";

export function submit(s: QueueState, command: Submit): Reply {
  const { id, content } = command;
  const bytes = bytesOf(command);
  const isPlain = content.unique === undefined && content.dependsOn.length === 0;
  const plan = isPlain ? undefined : new Plan(s);
  const answer = judge(s, command, bytes, plan);
  if (answer !== undefined) return answer;
  make(s, command, bytes, plan);
  if (plan !== undefined) cancelReplaced(s, plan);
  // A parent that was replaced may have freed it.
  const state = stateName(s.table.state[s.table.find(id)]!);
  return { code: "ok", id, state, duplicate: false };
}
