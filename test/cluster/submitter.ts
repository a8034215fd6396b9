/**
 * Submits tasks at a fixed rate, half of them over REST and half through the client library, and
 * writes each answer into the ledger. A request without an answer is sent again under the same id to
 * the next node, as a careful application would; only when its time is up is it called unknown.
 */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TlsOptions, TqError } from "task-queue-client";
import { type Answer, ask } from "./http.ts";
import { type Ledger, payloadOf, type Submission } from "./ledger.ts";
import type { Front } from "./processes.ts";

const TICK_MS = 5;
/** How long a submit is tried. */
const DEADLINE_MS = 30_000;
/** How long one node may take over it. */
const ATTEMPT_MS = 3_000;
/** Between two attempts: twice as long each time, up to a limit. */
const PAUSE_MS = 20;
const PAUSE_MS_MAX = 500;
/** Beyond this many without an answer the rate falls: a cluster that is down is not to be buried. */
const OPEN_MAX = 400;
const CODES_NOT_DONE = new Set(["no_leader", "queue_full", "disk_full", "overloaded"]);

export interface Submitter {
  /** While true, nothing new is submitted. */
  isHeld: boolean;
  /** Resolves when all under way are answered. */
  stop(): Promise<void>;
}

/** Of `everyNth` tasks the first is of type `keep`, the others `work`. */
export function submitTasks(
  front: Front,
  ledger: Ledger,
  perSecond: number,
  everyNth = 3,
): Submitter {
  const { servers } = front;
  const options = { servers, timeoutMs: DEADLINE_MS, name: "drill", ...dialOf(front) };
  const client = connect(options);
  const open = new Set<Promise<void>>();
  const start = performance.now();
  let stopped = false;

  const overClient = async (submission: Submission): Promise<void> => {
    const { id, type } = submission;
    const startedAt = performance.now();
    try {
      const handle = await client.submit(type, payloadOf(submission), { id, queue: type });
      if (handle.id !== id) ledger.note(`the submit of ${id} was answered with ${handle.id}`);
      ledger.acknowledge(submission, 0, startedAt);
    } catch (error) {
      const code = error instanceof TqError ? error.code : String(error);
      ledger.refuse(submission, CODES_NOT_DONE.has(code) ? "refused" : "unknown", code);
    }
  };

  const submitter: Submitter = {
    isHeld: false,
    stop: async () => {
      stopped = true;
      await stream;
      await Promise.all(open);
      await client.close();
    },
  };
  const stream = (async () => {
    for (let due = 0; !stopped; ) {
      const elapsed = (performance.now() - start) / 1000;
      for (; due < elapsed * perSecond; due++) {
        if (submitter.isHeld || open.size >= OPEN_MAX) continue;
        const submission = ledger.open(due % everyNth === 0 ? "keep" : "work");
        const send = due % 2 === 0 ? overClient(submission) : overRest(front, ledger, submission);
        const done = send.finally(() => open.delete(done));
        open.add(done);
      }
      await sleep(TICK_MS);
    }
  })();
  return submitter;
}

async function overRest(
  { restUrls, access }: Front,
  ledger: Ledger,
  submission: Submission,
): Promise<void> {
  const { id, type } = submission;
  const body = { id, type, queue: type, payload: payloadOf(submission) };
  const startedAt = performance.now();
  let pauseMs = PAUSE_MS;
  let certain = true;
  let code = "no_answer";
  for (
    let attempt = randomInt(restUrls.length);
    performance.now() < startedAt + DEADLINE_MS;
    attempt++
  ) {
    const url = `${restUrls[attempt % restUrls.length]}/api/v1/tasks`;
    const answer = await ask(url, { ...access, method: "POST", body, limitMs: ATTEMPT_MS }).catch(
      (error: NodeJS.ErrnoException) => error,
    );
    if (answer instanceof Error) {
      certain &&= answer.code === "ECONNREFUSED";
    } else if (answer.status === 200 || answer.status === 201) {
      ledger.acknowledge(submission, answer.appliedIndex, startedAt);
      return;
    } else {
      code = codeOf(answer);
      const notDone = CODES_NOT_DONE.has(code);
      certain &&= notDone;
      if (notDone && code !== "no_leader") break;
      if (answer.status < 500) ledger.note(`the submit of ${id} was refused: ${answer.text}`);
    }
    await sleep(pauseMs);
    pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
  }
  ledger.refuse(submission, certain ? "refused" : "unknown", code);
}

/** What client and worker library have to be told besides the servers. */
export function dialOf({ access }: Pick<Front, "access">): { apiKey?: string; tls?: TlsOptions } {
  const { tls, apiKey } = access ?? {};
  return {
    ...(tls && { tls: { ca: tls.ca, serverName: tls.servername } }),
    ...(apiKey && { apiKey }),
  };
}

export function codeOf(answer: Answer): string {
  try {
    return String((JSON.parse(answer.text) as { code?: unknown }).code);
  } catch {
    return `status ${answer.status}`;
  }
}
