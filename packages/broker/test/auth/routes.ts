/**
 * What each route of REST and each method of gRPC needs, written down by hand from the interface's
 * rules rather than read from the program: the second opinion that the tests of permissions compare
 * it with.
 */
import type { Permission } from "../../src/operations/permissions.ts";

const READ = "read_tasks";
const DEAD = "admin:dlq";

/** All of these are needed; an empty list: nothing is, not even a key. */
export const ROUTES: Readonly<Record<string, readonly Permission[]>> = {
  "POST /tasks": ["submit_tasks"],
  "POST /tasks/batch": ["submit_tasks"],
  "GET /tasks": [READ],
  "GET /tasks/:id": [READ],
  "GET /tasks/:id/logs": [READ],
  "GET /tasks/:id/graph": [READ],
  "POST /tasks/:id/cancel": ["cancel_tasks"],
  "DELETE /tasks/:id": ["cancel_tasks"],
  "POST /tasks/:id/release": ["admin"],
  "POST /tasks/:id/reschedule": ["admin"],
  "POST /tasks/:id/retry": [DEAD],
  "GET /dlq/failed-tasks": [READ],
  "GET /dlq/groups": [READ],
  "POST /dlq/failed-tasks/:id/retry": [DEAD],
  "DELETE /dlq/failed-tasks/:id": [DEAD],
  "POST /dlq/retry": [DEAD],
  "POST /dlq/purge": [DEAD],
  "GET /queues": [READ],
  "GET /queues/:name": [READ],
  "PUT /queues/:name": ["admin"],
  "DELETE /queues/:name": ["admin"],
  "POST /queues/:name/pause": ["admin"],
  "POST /queues/:name/resume": ["admin"],
  "POST /queues/:name/drain": ["admin"],
  "POST /queues/:name/undrain": ["admin"],
  "POST /queues/:name/purge": ["cancel_tasks", DEAD],
  "GET /jobs": [READ],
  "GET /jobs/:id": [READ],
  "DELETE /jobs/:id": ["admin"],
  "POST /jobs": [DEAD],
  "POST /keys": ["admin"],
  "GET /keys": ["admin"],
  "DELETE /keys/:id": ["admin"],
  "GET /workers": [READ],
  "GET /stats": [READ],
  "GET /cluster": [READ],
  "POST /compact": ["admin"],
  "GET /events": [READ],
  "GET /metrics": [READ],
  "GET /errors/:code": [READ],
  "GET /openapi.json": [READ],
  "GET /docs": [READ],
  "GET /health": [],
  "OPTIONS /health": [],
  "GET /healthz": [],
  "OPTIONS /healthz": [],
  "GET /readyz": [],
  "OPTIONS /readyz": [],
  "GET /leader": [],
  "OPTIONS /leader": [],
};

/** Kinds of jobs by what starting them needs: the body of `POST /jobs` decides. */
export const JOB_KINDS: Readonly<Record<string, Permission>> = {
  retry: DEAD,
  delete: DEAD,
  cancel: "cancel_tasks",
};

/** The same of gRPC's methods. */
export const METHODS: Readonly<Record<string, Permission>> = {
  SubmitTask: "submit_tasks",
  SubmitTasks: "submit_tasks",
  SubmitStream: "submit_tasks",
  GetTask: READ,
  ListTasks: READ,
  CancelTask: "cancel_tasks",
  RetryTask: DEAD,
  WatchTasks: READ,
  ListQueues: READ,
  ListWorkers: READ,
  ClusterStatus: READ,
};
