/** What each door tells the audit log: every administrative action once, every refusal, no more. */
import { describe, expect, onTestFinished, test } from "vitest";
import { type Audit, auditedAccess, type Deed, NO_AUDIT } from "../../src/operations/audit.ts";
import { Ring } from "../auth/key-ring.ts";
import { Harness as Grpc } from "../grpc/harness.ts";
import { Harness as Rest } from "../rest/harness.ts";
import { openOne, someTask } from "../workers/harness.ts";
import { hello, RawPeer } from "../workers/raw-peer.ts";

const ID = "0198f2c4-0000-7000-8000-000000000001";

class Notebook implements Audit {
  readonly actions: Deed[] = [];
  readonly refusals: Deed[] = [];
  readonly read = NO_AUDIT.read;
  readonly isContinued = (who: string, position: string) => who === "admin" && position === "1.64";
  readonly ring = new Ring();

  async action(deed: Deed): Promise<void> {
    this.actions.push(deed);
  }

  refusal(deed: Deed): void {
    this.refusals.push(deed);
  }

  /** For a door with keys. */
  at(door: Deed["door"]) {
    return { audit: this, access: auditedAccess(this.ring.access, this, door) };
  }
}

describe("REST", () => {
  function open() {
    const notes = new Notebook();
    const rest = new Rest(notes.at("rest"));
    rest.broker.raise(3);
    onTestFinished(() => rest.app.close());
    const send = async (
      key: string,
      method: "GET" | "POST" | "PUT" | "DELETE",
      ...rest_: unknown[]
    ) => {
      const [url, body] = rest_ as [string, object?];
      return rest.send(method, url, body, { authorization: `Bearer ${key}` });
    };
    return { notes, rest, send };
  }

  test("an action has who, from where, what, on what, and how it ended", async () => {
    const { notes, send } = open();
    const { body: task } = await send("submit_tasks", "POST", "/tasks", { type: "mail" });
    const { headers } = await send("cancel_tasks", "POST", `/tasks/${task.id}/cancel`);
    await send("admin", "POST", `/api/v1/tasks/${ID}/retry`);
    const who = { who: "cancel_tasks", from: "127.0.0.1", door: "rest", verb: "cancel" };
    const index = Number(headers["x-tq-applied-index"]);
    expect(notes.actions).toEqual([
      { ...who, target: task.id, detail: undefined, outcome: "ok", index },
      {
        ...{ ...who, who: "admin", verb: "retry", target: ID },
        ...{ detail: undefined, outcome: "not_found", index: undefined },
      },
    ]);
    expect(notes.refusals).toEqual([]);
  });

  test("how a queue was changed", async () => {
    const { notes, send } = open();
    const depth = { depth_limit: 5 };
    await send("admin", "PUT", "/queues/mail", { settings: depth, secret_note: "canary" });
    await send("admin", "POST", "/queues/mail/pause");
    await send("admin", "POST", "/queues/mail/purge", { dry_run: true });
    await send("admin", "DELETE", "/queues/mail");
    const seen = notes.actions.map(({ verb, target, detail }) => [verb, target, detail]);
    expect(seen).toEqual([
      ["configure_queue", "mail", "settings.depth_limit"],
      ["configure_queue", "mail", "pause"],
      ["cancel_many+delete_many", "mail", "purge dry_run=true"],
      ["delete_queue", "mail", undefined],
    ]);
    expect(JSON.stringify(notes.actions)).not.toContain("canary");
  });

  test("a job is found by its id", async () => {
    const { notes, send } = open();
    const { body: job } = await send("admin", "POST", "/jobs", { kind: "retry" });
    const { body: short } = await send("admin:dlq", "POST", "/dlq/retry");
    const seen = notes.actions.map(({ verb, target }) => [verb, target]);
    expect(seen).toEqual([
      ["retry_many", job.id],
      ["retry_many", short.id],
    ]);
  });

  test("submits and reads are nothing to it", async () => {
    const { notes, send } = open();
    await send("admin", "POST", "/tasks", { type: "mail" });
    for (const path of ["/tasks", "/queues", "/stats", "/cluster", "/nowhere"]) {
      await send("admin", "GET", path);
    }
    expect([...notes.actions, ...notes.refusals]).toEqual([]);
  });

  test("whoever is refused is noted, without the key", async () => {
    const { notes, rest, send } = open();
    await send("canary-of-nobody", "GET", "/tasks");
    await rest.send("GET", "/tasks");
    await rest.send("GET", "/tasks", undefined, { authorization: "Basic canary" });
    await send("read_tasks", "POST", `/tasks/${ID}/cancel`);
    await send("read_tasks", "POST", "/jobs", { kind: "delete" });
    const seen = notes.refusals.map(({ who, from, verb, outcome }) => [who, from, verb, outcome]);
    const stranger = ["", "127.0.0.1", "", "unauthenticated"];
    expect(seen).toEqual([
      ...[stranger, stranger, stranger],
      ["read_tasks", "127.0.0.1", "cancel", "permission_denied"],
      ["read_tasks", "127.0.0.1", "delete_many", "permission_denied"],
    ]);
    expect(notes.actions).toEqual([]);
    expect(JSON.stringify(notes.refusals)).not.toContain("canary");
    for (let i = 0; i < 10; i++) await send(`guess-${i}`, "GET", "/tasks");
    expect(notes.refusals.at(-1)?.outcome).toBe("rate_limited");
  });

  test("where no key is asked for it is anonymous", async () => {
    const notes = new Notebook();
    const rest = new Rest({ audit: notes });
    onTestFinished(() => rest.app.close());
    await rest.send("DELETE", `/tasks/${ID}`);
    expect(notes.actions).toMatchObject([{ who: "anonymous", verb: "cancel", target: ID }]);
  });
});

describe("the worker port", () => {
  async function open(key: string) {
    const notes = new Notebook();
    const { port } = await openOne(notes.at("worker"));
    const peer = await RawPeer.dial(port);
    peer.send(1, hello("client", key));
    let id = 1;
    const call = async (verb: string, body: object) => {
      peer.send(++id, { kind: "call", verb, minIndex: 0, body: Buffer.from(JSON.stringify(body)) });
      while (!peer.received.some(({ requestId }) => requestId === id)) {
        await new Promise((next) => setImmediate(next));
      }
    };
    return { notes, peer, call };
  }

  test("administrative calls, once each", async () => {
    const { notes, peer, call } = await open("admin");
    await peer.take("welcome");
    await call("cancel", { id: ID, reason: "canary" });
    await call("cancel", { id: "canary" });
    await call("remove_member", { id: "n9", force: true });
    await call("configure_queue", { name: "q", paused: true });
    await call("start_job", { kind: "cancel", filter: { queue: "canary" } });
    await call("raise_version", { to: 2 });
    await call("snapshot", { id: "0".repeat(32), offset: 5 });
    await call("stats", {});
    await call("audit", { position: "1.64" });
    // Null is as good as nothing, and a position that was made up is as good as a beginning.
    await call("snapshot", { id: "0".repeat(32), offset: null });
    await call("audit", { position: null });
    await call("audit", { position: "0.0" });
    await call("audit", { position: "1.65" });
    const seen = notes.actions.map(({ verb, target, detail }) => [verb, target, detail]);
    expect(seen).toEqual([
      ["cancel", ID, undefined],
      ["cancel", "", undefined],
      ["remove_member", "n9", "force=true"],
      ["configure_queue", "q", "paused=true"],
      ["cancel_many", expect.stringMatching(/^[0-9a-f-]{36}$|^$/), undefined],
      ["raise_version", "", "to=2"],
      ["snapshot", "0".repeat(32), undefined],
      ["audit", "", undefined],
      ["audit", "", undefined],
      ["audit", "", undefined],
    ]);
    expect(JSON.stringify(notes.actions)).not.toContain("canary");
    expect(notes.actions[0]).toMatchObject({ who: "admin", from: "127.0.0.1", door: "worker" });
  });

  test("refusals, and neither submits nor what workers do", async () => {
    const { notes, peer, call } = await open("submit_tasks");
    await peer.take("welcome");
    peer.send(50, { kind: "submit", tasks: [someTask()] });
    await peer.take("submitted");
    await call("cancel", { id: ID });
    const other = await open("nobody");
    await other.peer.closed;
    expect(notes.actions).toEqual([]);
    expect(notes.refusals).toMatchObject([
      { who: "submit_tasks", door: "worker", verb: "cancel", outcome: "permission_denied" },
    ]);
    expect(other.notes.refusals).toMatchObject([{ who: "", outcome: "unauthenticated" }]);
  });
});

describe("gRPC", () => {
  test("cancel and retry, and refusals", async () => {
    const notes = new Notebook();
    const grpc = await Grpc.open(notes.at("grpc"));
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const task = { type: "mail" };
    const { id } = (await grpc.call("SubmitTask", { task }, as("submit_tasks"))).value.task;
    await grpc.call("CancelTask", { id }, as("admin"));
    await grpc.call("RetryTask", { id: ID }, as("admin"));
    await grpc.call("ListTasks", {}, as("admin"));
    await grpc.call("CancelTask", { id }, as("read_tasks"));
    await grpc.call("CancelTask", { id }, as("canary"));
    expect(notes.actions).toMatchObject([
      { who: "admin", from: "127.0.0.1", door: "grpc", verb: "cancel", target: id, outcome: "ok" },
      { verb: "retry", target: ID, outcome: "not_found", index: undefined },
    ]);
    expect(notes.actions[0]?.index).toBeGreaterThan(0);
    expect(notes.refusals).toMatchObject([
      { who: "read_tasks", verb: "cancel", outcome: "permission_denied" },
      { who: "", verb: "", outcome: "unauthenticated" },
    ]);
  });
});
