/** Which function of the naive model carries out which command since version 3. */
import type { Command } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import { cancelJob, expunge, forget, startJob, stepJob } from "./naive-history.ts";
import { createKey, revokeKey } from "./naive-keys.ts";
import type { NaiveModel } from "./naive-model.ts";
import { configure, deleteQueue } from "./naive-queues.ts";
import { report } from "./naive-report.ts";
import { reschedule } from "./naive-reschedule.ts";
import { ok } from "./naive-state.ts";
import { submitAll } from "./naive-submit.ts";

export function carryOutLater(model: NaiveModel, command: Command): Reply {
  switch (command.type) {
    case "configureQueue":
      return configure(model, command);
    case "deleteQueue":
      return deleteQueue(model, command.queue, command.ifRevision);
    case "submitAll":
      return submitAll(model, command.tasks);
    case "reschedule":
      return reschedule(model, command);
    case "report":
      return report(model, command);
    case "startJob":
      return startJob(model, command);
    case "stepJob":
      return stepJob(model, command);
    case "cancelJob":
      return cancelJob(model, command);
    case "expunge":
      return expunge(model, command);
    case "forget":
      return forget(model, command);
    case "recall": {
      const task = model.running(command);
      if (task === undefined) return model.ended(command, "released");
      model.release(task);
      return ok("pending");
    }
    case "createKey":
      return createKey(model, command);
    case "revokeKey":
      return revokeKey(model, command);
    default:
      throw new Error(`the model does not know ${command.type}`);
  }
}
