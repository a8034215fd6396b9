/**
 * `submitAll`: all of these tasks, or none. Those that are known already are answered as copies
 * are.
 */
import { judgeAll, makeAll } from "../batch-submit.ts";
import type { SubmitAll } from "../command.ts";
import { Plan } from "../plan.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

export function submitAll(s: QueueState, { tasks }: SubmitAll): Reply {
  const plan = new Plan(s);
  const verdicts = judgeAll(s, tasks, plan);
  if ("code" in verdicts) return verdicts;
  return { code: "submitted", tasks: makeAll(s, verdicts, plan) };
}
