/** Which function carries out which command; the compiler refuses a missing or a wrong one. */
import type { Command, CommandType } from "../command.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { cancel } from "./cancel.ts";
import { complete } from "./complete.ts";
import { deleteTask } from "./delete.ts";
import { extend } from "./extend.ts";
import { fail } from "./fail.ts";
import { lapse } from "./lapse.ts";
import { lease } from "./lease.ts";
import { register } from "./register.ts";
import { release } from "./release.ts";
import { renew } from "./renew.ts";
import { retry } from "./retry.ts";
import { submit } from "./submit.ts";
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
} satisfies Registry;

/** Carries out one command: validates, then changes. Never throws on what a codec can read. */
export function applyCommand(s: QueueState, command: Command): Reply {
  const carryOut = REGISTRY[command.type] as (s: QueueState, command: Command) => Reply;
  return carryOut(s, command);
}
