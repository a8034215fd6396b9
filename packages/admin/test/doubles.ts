/** A terminal without a screen and a cluster without brokers, for the verbs to speak to. */

import type {
  AccessKeyJson,
  ClusterJson,
  EventJson,
  GraphJson,
  JobJson,
  MemberJson,
  QueueJson,
  TaskJson,
} from "task-queue-client";
import { Jobs, type Members, QueueHandle, TaskHandle, TaskList, TqError } from "task-queue-client";
import type { AuditPageJson } from "task-queue-protocol";
import type { AdminClient, ConnectOptions, Io } from "../src/index.ts";
import { run } from "../src/index.ts";

export const NOW = Date.parse("2030-01-31T12:00:00.000Z");
export const ID = "0198f2c4-0000-7000-8000-000000000001";

export function taskJson(fields: Partial<TaskJson> = {}): TaskJson {
  return {
    id: ID,
    type: "email.send",
    queue: "mail",
    payload: { to: "a@example.com" },
    priority: "normal",
    max_retries: 3,
    state: "pending",
    attempt: 0,
    attempts: [],
    created_at: "2030-01-31T11:57:00.000Z",
    updated_at: "2030-01-31T11:57:00.000Z",
    ...fields,
  };
}

const NOON = "2030-01-31T12:00:00.000Z";

export function jobJson(fields: Partial<JobJson> = {}): JobJson {
  const figures = { matched: 0, changed: 0, skipped: 0, started_at: NOON, updated_at: NOON };
  const head = { id: ID, kind: "retry", filter: { status: "dead" }, dry_run: false } as const;
  return { ...head, per_second: 0, state: "running", ...figures, ...fields };
}

export const KEY_ID = "2f1c5b0d9a3e4f68a7b6c5d4e3f20101";
export const NEW_KEY = `tq_${KEY_ID.replace("2f", "3a")}_${"s".repeat(43)}`;

export function accessKeyJson(fields: Partial<AccessKeyJson> = {}): AccessKeyJson {
  const made = { created_by: "root", created_at: NOON, state: "active" as const };
  return { id: KEY_ID, name: "shop", permissions: ["submit_tasks"], ...made, ...fields };
}

export function memberJson(id: string, fields: Partial<MemberJson> = {}): MemberJson {
  const address = `127.0.0.1:${6378 + Number(id.at(-1))}`;
  const figures = { match_index: 42, lag: 0, healthy: true };
  const rest = { ...figures, version: "0.1.0", supports: { min: 1, max: 2 } };
  return { id, address, role: "follower", ...rest, ...fields };
}

export const CLUSTER: ClusterJson = {
  cluster_id: "c1",
  cluster_version: 1,
  leader_id: "node1",
  term: 7,
  node_id: "node1",
  role: "leader",
  ready: true,
  applied_index: 42,
  commit_index: 42,
  durability: "quorum-fsync",
  members: [memberJson("node1", { role: "leader" })],
};

/** A leader and two followers. */
export const THREE: ClusterJson = {
  ...CLUSTER,
  members: [...CLUSTER.members, memberJson("node2"), memberJson("node3")],
};

/** Remembers what it was asked; answers from the fields that a test may replace. */
export class FakeClient implements AdminClient {
  readonly asked: unknown[][] = [];
  tasks: TaskJson[] = [taskJson()];
  clusters: ClusterJson[] = [CLUSTER];
  /** Thrown by every request when set. */
  error: unknown;
  closed = false;
  finished: TaskJson = taskJson({ state: "completed", result: 1 });

  get = (id: string): Promise<TaskJson> => this.#answer(this.#first(), "get", id);
  cancel = (id: string, reason?: string): Promise<TaskJson> => {
    return this.#answer(taskJson({ state: "cancelled" }), "cancel", id, reason);
  };
  release = (id: string, token?: string): Promise<TaskJson> =>
    this.#answer(this.#first(), "release", id, token);
  /** What the cluster keeps; `create` answers with the first of them and a secret. */
  accessKeys: AccessKeyJson[] = [accessKeyJson()];
  keys: AdminClient["keys"] = {
    create: (options) => {
      const made = accessKeyJson({ name: options.name, permissions: [...options.permissions] });
      return this.#answer({ ...made, key: NEW_KEY }, "keys.create", options);
    },
    list: () => this.#answer(this.accessKeys, "keys.list"),
    revoke: (id, options) => {
      this.asked.push(["keys.revoke", id, options]);
      if (this.broken !== undefined) return Promise.reject(this.broken);
      return Promise.resolve(accessKeyJson({ state: "ending", expires_at: NOON }));
    },
  };
  reschedule = (id: string, when: object): Promise<TaskJson> =>
    this.#answer(this.#first(), "reschedule", id, when);
  retry = (id: string): Promise<TaskJson> => this.#answer(this.#first(), "retry", id);
  wait = (id: string, options?: unknown): Promise<TaskJson> => {
    return this.#answer(this.finished, "wait", id, options);
  };
  compact = () => {
    const { node_id } = this.#view();
    return this.#answer({ node_id, before_bytes: 9_000_000, after_bytes: 4_000 }, "compact");
  };
  cluster = (): Promise<ClusterJson> => {
    return this.#answer(this.#view(), "cluster");
  };
  lines = [{ number: 1, at: "2030-01-31T12:00:00.000Z", level: "info" as const, text: "hello" }];
  logs: AdminClient["logs"] = (id, options) => {
    const total = this.lines.length;
    const next = Math.min(total, (options?.after ?? 0) + 1);
    const lines = this.lines.slice(next - 1, next);
    return this.#answer({ lines, next, total }, "logs", id, options);
  };
  graph = (id: string): Promise<GraphJson> => this.#answer(this.tree, "graph", id);
  tree: GraphJson = { id: ID, nodes: [], truncated: false };
  /** What has happened; then the feed fails, or ends, which a real one does not. */
  happened: EventJson[] = [];
  broken: unknown;
  events = async function* (
    this: FakeClient,
    ...asked: unknown[]
  ): AsyncGenerator<EventJson, void> {
    this.asked.push(["events", ...asked]);
    yield* this.happened;
    if (this.broken !== undefined) throw this.broken;
  }.bind(this);
  /** The pieces of what `snapshot` downloads; then `broken` is thrown. */
  pieces: Uint8Array[] = [];
  snapshot = async function* (
    this: FakeClient,
    ...asked: unknown[]
  ): AsyncGenerator<Uint8Array, void> {
    this.asked.push(["snapshot", ...asked]);
    yield* this.pieces;
    if (this.broken !== undefined) throw this.broken;
  }.bind(this);
  /** The pages of the audit log; the last one stays. */
  pages: AuditPageJson[] = [];
  audit: AdminClient["audit"] = (params) => {
    const page = this.pages.length > 1 ? this.pages.shift()! : this.pages[0]!;
    return this.#answer(page, "audit", params);
  };
  stats = () => this.#answer({ node_id: "node1", tasks: { pending: 2 } }, "stats");
  queues = () => {
    const counts = { pending: 3, running: 1, dead: 9 };
    const queue = { name: "mail", counts, oldest_pending_at: "2030-01-31T11:00:00.000Z" };
    return this.#answer([queue], "queues");
  };
  /** What `queue(name).get()` answers with; undefined: there is none. */
  settings: QueueJson | undefined = { name: "mail", counts: {}, revision: 4 };
  queue: AdminClient["queue"] = (name) => {
    const queue = { name, counts: {}, paused: false, draining: false, revision: 5 };
    return new QueueHandle(
      {
        get: async () => {
          if (this.settings === undefined) throw new TqError("not_found", "no such queue");
          return this.#answer(this.settings, "queue", name);
        },
        configure: ({ name: _, ...change }) => {
          return this.#answer({ ...queue, ...onlyTurns(change) }, "configure", name, change);
        },
        delete: () => this.#answer(undefined, "delete_queue", name),
      },
      name,
    );
  };
  groups = [
    { fingerprint: "00112233aabbccdd", type: "t", message: "no 7", count: 3 },
    { fingerprint: "10112233aabbccdd", type: "t", message: "other", count: 5 },
  ].map((group) => ({ ...group, first_at: NOON, last_at: NOON }));
  /** What a job says of itself, one after the other; the last for ever. */
  jobViews: JobJson[] = [jobJson({ matched: 10 }), jobJson({ state: "done", matched: 20 })];
  jobs: AdminClient["jobs"] = new Jobs({
    start: (params) => {
      const { id: _, ...rest } = params;
      return this.#answer(this.#job(), "start_job", rest);
    },
    list: () => this.#answer(this.jobViews, "jobs"),
    get: (id) => this.#answer(this.#job(), "job", id),
    cancel: (id) => this.#answer(jobJson({ state: "cancelled" }), "cancel_job", id),
  });
  #job(): JobJson {
    return (this.jobViews.length > 1 ? this.jobViews.shift() : this.jobViews[0]) ?? jobJson();
  }
  workers = () => {
    const worker = {
      id: "s1",
      name: "w1",
      state: "busy",
      queues: [],
      types: ["echo", "http"],
      labels: { zone: "a" },
      concurrency: 4,
      running: 2,
      last_heartbeat_at: "2030-01-31T11:59:55.000Z",
      version: "0.1.0",
    };
    return this.#answer([worker], "workers");
  };

  list: AdminClient["list"] = (filter) => {
    this.asked.push(["list", filter]);
    const size = filter?.limit ?? 100;
    return new TaskList(async (cursor) => {
      if (this.error !== undefined) throw this.error;
      const from = Number(cursor ?? 0);
      const tasks = this.tasks.slice(from, from + size);
      const more = from + size < this.tasks.length;
      return more ? { tasks, next_cursor: String(from + size) } : { tasks };
    }, filter?.cursor);
  };

  submit: AdminClient["submit"] = async (type, payload, options) => {
    await this.#answer(undefined, "submit", type, payload, options);
    return new TaskHandle(this, ID, "pending", false);
  };

  submitMany = (async (items: Iterable<{ type: string; payload: unknown; options?: object }>) => {
    return Promise.all(
      [...items].map(({ type, payload, options }) => this.submit(type, payload, options)),
    );
  }) as AdminClient["submitMany"];

  dead: AdminClient["dead"] = {
    list: (filter) => this.list({ ...filter, status: "dead" }),
    retry: (id) => this.#answer(this.#first(), "dead.retry", id),
    delete: (id) => this.#answer(undefined, "dead.delete", id),
    groups: (params) => this.#answer({ groups: this.groups }, "dead.groups", params),
  };

  /** As a leader would: what is asked for is made so. */
  members: Pick<Members, keyof Members> = {
    status: async () => this.#view(),
    add: async (peer) => {
      const [id = ""] = peer.split("@");
      const learner = memberJson(id, { role: "learner", lag: 5_000 });
      return this.#changed(["add", peer], (members) => [...members, learner]);
    },
    promote: async (id, options) => {
      return this.#changed(["promote", id, options?.force], (members) =>
        members.map((member) => (member.id === id ? { ...member, role: "follower" } : member)),
      );
    },
    remove: async (id, options) => {
      return this.#changed(["remove", id, options?.force], (members) =>
        members.filter((member) => member.id !== id),
      );
    },
    raiseVersion: async ({ to } = {}) => {
      const after = await this.#changed(["raise", to], (members) => members);
      this.clusters = [{ ...after, cluster_version: to ?? 2 }];
      return this.#view();
    },
    transferLeadership: async ({ to } = {}) => {
      const next = to ?? "node2";
      const after = await this.#changed(["transfer", to], (members) => members);
      this.clusters = [{ ...after, leader_id: next, term: after.term + 1 }];
      return this.#view();
    },
  };

  async close(): Promise<void> {
    this.closed = true;
  }

  #view(): ClusterJson {
    return (this.clusters.length > 1 ? this.clusters.shift() : this.clusters[0]) ?? CLUSTER;
  }

  async #changed(
    asked: unknown[],
    change: (members: readonly MemberJson[]) => readonly MemberJson[],
  ): Promise<ClusterJson> {
    const before = this.clusters[0] ?? CLUSTER;
    await this.#answer(undefined, ...asked);
    this.clusters = [
      { ...before, members: [...change(before.members)] },
      ...this.clusters.slice(1),
    ];
    return this.clusters[0]!;
  }

  #first(): TaskJson {
    return this.tasks[0] ?? taskJson();
  }

  async #answer<T>(value: T, ...asked: unknown[]): Promise<T> {
    this.asked.push(asked);
    if (this.error !== undefined) throw this.error;
    return value;
  }
}

function onlyTurns({
  paused,
  draining,
}: {
  readonly paused?: boolean;
  readonly draining?: boolean;
}): Partial<QueueJson> {
  return { ...(paused === undefined ? {} : { paused }), ...(draining ? { draining } : {}) };
}

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly client: FakeClient;
  readonly options: ConnectOptions | undefined;
}

/** Runs one command line; words are separated by blanks, or given as a list. */
export async function admin(
  line: string | readonly string[],
  change: (client: FakeClient) => void = () => {},
  io: Partial<Io> = {},
): Promise<Result> {
  const client = new FakeClient();
  change(client);
  let stdout = "";
  let stderr = "";
  let options: ConnectOptions | undefined;
  let now = NOW;
  const argv = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
  const status = await run(argv, {
    env: {},
    isTerminal: false,
    isStderrTerminal: false,
    canAsk: false,
    now: () => now,
    stdout: (text) => {
      stdout += text;
    },
    stdoutAll: async (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    readFile: (path) => {
      throw new Error(`there is no ${path}`);
    },
    readBytes: (path) => {
      throw new Error(`there is no ${path}`);
    },
    readStdin: () => '"from stdin"',
    ask: async () => "",
    sleep: async (ms) => {
      now += ms;
    },
    interrupted: () => new AbortController().signal,
    rows: () => 24,
    askBroker: () => ({ status: 0, stdout: "x: valid\n", stderr: "" }),
    connect: (given) => {
      options = given;
      return client;
    },
    ...io,
  });
  return { status, stdout, stderr, client, options };
}
