/**
 * What the examples of the document are about: a few tasks, a job and a queue. The contract test
 * makes a broker where they exist, and sends every example to it.
 */

export const EXAMPLES = {
  /** Pending; `child` waits for it. */
  task: "019d42e8-1800-7000-8000-000000000001",
  completed: "019d42e8-1800-7000-8000-000000000002",
  dead: "019d42e8-1800-7000-8000-000000000003",
  job: "019d42e8-1800-7000-8000-000000000004",
  /** Leased under this token. */
  running: "019d42e8-1800-7000-8000-000000000007",
  token: "3",
  /** An access key. */
  key: "2f1c5b0d9a3e4f68a7b6c5d4e3f20101",
  /** Of a task that is made by an example. */
  fresh: "019d42e8-1800-7000-8000-000000000005",
  child: "019d42e8-1800-7000-8000-000000000006",
  queue: "emails",
  /** One without tasks. */
  emptyQueue: "old-emails",
  fingerprint: "00d1f5a9c3b7e642",
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
} as const;
