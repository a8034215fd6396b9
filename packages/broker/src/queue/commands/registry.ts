/** Which function carries out which command; the compiler refuses a missing or a wrong one. */
import type { Command, CommandType } from "../command.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { cancel } from "./cancel.ts";
import { cancelJob } from "./cancel-job.ts";
import { complete } from "./complete.ts";
import { configureQueue } from "./configure-queue.ts";
import { createKey } from "./create-key.ts";
import { deleteTask } from "./delete.ts";
import { deleteQueue } from "./delete-queue.ts";
import { expunge } from "./expunge.ts";
import { extend } from "./extend.ts";
import { fail } from "./fail.ts";
import { forget } from "./forget.ts";
import { lapse } from "./lapse.ts";
import { lease } from "./lease.ts";
import { recall } from "./recall.ts";
import { register } from "./register.ts";
import { release } from "./release.ts";
import { renew } from "./renew.ts";
import { report } from "./report.ts";
import { reschedule } from "./reschedule.ts";
import { retry } from "./retry.ts";
import { revokeKey } from "./revoke-key.ts";
import { startJob } from "./start-job.ts";
import { stepJob } from "./step-job.ts";
import { submit } from "./submit.ts";
import { submitAll } from "./submit-all.ts";
import { takeOffice } from "./take-office.ts";
import { unregister } from "./unregister.ts";
import { wake } from "./wake.ts";

type Registry = {
  readonly [T in CommandType]: (s: QueueState, command: Extract<Command, { type: T }>) => Reply;
};

const REGISTRY = {
  submit,
  lease,
  extend,
  release,
  complete,
  fail,
  cancel,
  retry,
  delete: deleteTask,
  register,
  renew,
  unregister,
  lapse,
  wake,
  takeOffice,
  submitAll,
  reschedule,
  report,
  configureQueue,
  deleteQueue,
  startJob,
  stepJob,
  cancelJob,
  expunge,
  forget,
  createKey,
  revokeKey,
  recall,
} satisfies Registry;

/** Carries out one command: validates, then changes. Never throws on what a codec can read. */
export function applyCommand(s: QueueState, command: Command): Reply {
  const carryOut = REGISTRY[command.type] as (s: QueueState, command: Command) => Reply;
  return carryOut(s, command);
}
