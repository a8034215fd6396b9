/**
 * For each code of the error catalogue: when it comes, and what to do. The text behind the page
 * that a problem document's `type` leads to, and behind the list of errors in the documentation.
 */
import { ERRORS, type ErrorCode } from "task-queue-protocol";

export interface ErrorGuide {
  readonly meaning: string;
  readonly fix: string;
}

export const ERROR_GUIDE: Readonly<Record<ErrorCode, ErrorGuide>> = {
  invalid_request: {
    meaning: "A value is missing, of the wrong type, or out of range. Nothing was changed.",
    fix: "Correct the field that `field` names; `detail` says what is allowed.",
  },
  unknown_field: {
    meaning: "The request has a field or parameter that does not exist. Nothing was changed.",
    fix: "Look for a spelling mistake: `detail` names the nearest field that exists.",
  },
  unauthenticated: {
    meaning: "The request carries no API key, or one that is not known.",
    fix:
      "Send `Authorization: Bearer KEY`; our programs take the key from TQ_API_KEY or from the " +
      "file of --api-key-file.",
  },
  permission_denied: {
    meaning: "The caller is known and may not do this; or a session's secret is not its own.",
    fix: "Use a key with the permission, or a session id of your own.",
  },
  not_found: {
    meaning: "There is no such task, queue, member or path.",
    fix: "Check the id. A task that was deleted is gone for good.",
  },
  state_conflict: {
    meaning:
      "What is asked for cannot be done now: a completed task cannot be cancelled, for one, and " +
      "a member that has not caught up cannot vote. Nothing was changed.",
    fix: "Read the task or the cluster's state and decide again: `detail` says what is against it.",
  },
  stale_token: {
    meaning:
      "The lease under which a worker reports has ended: it lapsed, or the task was cancelled.",
    fix: "Drop the result. Whoever holds the task now will report on it.",
  },
  position_compacted: {
    meaning: "The feed no longer has the events after this position.",
    fix: "Read the state anew, then follow the feed from the newest position.",
  },
  too_large: {
    meaning: "The body or the payload is larger than allowed. Nothing was changed.",
    fix: "Store large data elsewhere and send its address, or raise `broker.max_payload_bytes`.",
  },
  idempotency_mismatch: {
    meaning: "The id or idempotency key belongs to a task with other content. Nothing was changed.",
    fix: "Use a new id or key for a new task; to repeat a submit, send exactly the same content.",
  },
  id_out_of_window: {
    meaning:
      "The time inside the task's id is over 24 hours old or 5 minutes ahead of the cluster.",
    fix: "Leave `id` out and let the broker make one, or set the submitter's clock right.",
  },
  queue_full: {
    meaning: "The queue holds as many unfinished tasks as `broker.queue_depth_threshold` allows.",
    fix: "Wait as long as `Retry-After` says; add workers if it lasts.",
  },
  rate_limited: {
    meaning: "More requests came than the limit in force allows. Nothing was done.",
    fix: "Wait as long as `Retry-After` says, then send the same request again.",
  },
  overloaded: {
    meaning: "The broker has more requests in hand than it can take. Nothing was done.",
    fix: "Wait as long as `Retry-After` says, then send the same request again.",
  },
  no_leader: {
    meaning:
      "A majority of brokers cannot be reached or is electing a leader, or only the leader can " +
      "do this and another broker was asked. Nothing was done.",
    fix:
      "Send the same request again, to any broker or to the leader that `detail` names. If it " +
      "lasts, see which brokers are down.",
  },
  outcome_unknown: {
    meaning: "The request was passed on and no answer came: it may have taken effect, or may yet.",
    fix: "Send it again with the same id (`task_id`) or idempotency key: it is done only once.",
  },
  disk_full: {
    meaning:
      "The leader's disk, or those of too many brokers, have less room left than " +
      "`persistence.min_free_disk`. Nothing was done; tasks that are here are worked off.",
    fix:
      "Make room on the brokers whose `/health` warns of it; new tasks are taken again by " +
      "themselves. Then send the same request again.",
  },
  internal: {
    meaning: "The broker failed in a way that it should not.",
    fix: "Look at its log around this time. Whether the request took effect is not known.",
  },
};

/** The documentation's page of errors, in Markdown. */
export function errorsPage(): string {
  const lines = [
    "# Errors",
    "",
    "Every refusal has one of these codes, whichever way the request came. REST answers with a",
    "problem document (RFC 9457, `application/problem+json`) that has the code in `code`, a",
    "sentence for people in `detail`, the offending field in `field` where there is one, and",
    "whether the same request may succeed later in `retryable`. Its `type` is a path on the",
    "broker that explains the code: `GET /errors/no_leader`.",
  ];
  for (const code of Object.keys(ERRORS) as ErrorCode[]) lines.push("", ...sectionOf(code));
  return `${lines.join("\n")}\n`;
}

/** One code's explanation, as the broker itself serves it. */
export function sectionOf(code: ErrorCode): string[] {
  const { http, grpc, retryable, title } = ERRORS[code];
  const { meaning, fix } = ERROR_GUIDE[code];
  const again = retryable ? "yes" : "no";
  return [
    `## ${code}`,
    "",
    `${title}. HTTP ${http}, gRPC ${grpc}, retryable: ${again}.`,
    "",
    `- Meaning: ${meaning}`,
    `- What to do: ${fix}`,
  ];
}
