/** The naive model's opinion on tasks that are to wait for another time. */
import type { Command } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { NaiveModel } from "./naive-model.ts";
import { ok, refused } from "./naive-state.ts";

export function reschedule(
  model: NaiveModel,
  { id, runAt, ifUpdatedAt }: Extract<Command, { type: "reschedule" }>,
): Reply {
  const task = model.find(id);
  if (task === undefined || task.deleted) return refused("not_found");
  const isTimed = task.state === "scheduled" || task.state === "retrying";
  if (!isTimed && task.state !== "pending") return refused("state_conflict");
  if (task.state === "pending" && runAt <= model.now) return ok("pending", true);
  if (isTimed && task.dueAt === Math.max(runAt, 0)) return ok(task.state, true);
  if (ifUpdatedAt !== undefined && ifUpdatedAt !== task.updatedAt) return refused("state_conflict");
  task.dueAt = runAt;
  const wanted = isTimed ? task.state : "scheduled";
  model.move(task, runAt > model.now ? wanted : "pending");
  return ok(task.state);
}
