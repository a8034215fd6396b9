/** The table of health answers, for each state a node can be in. */
import { describe, expect, test } from "vitest";
import type { NodeStatus } from "../../src/operations/broker.ts";
import { Harness } from "./harness.ts";

const OTHER = { id: "n2", address: "127.0.0.1:6380" };

const STATES: Readonly<
  Record<string, { state: Partial<NodeStatus>; statuses: readonly number[]; reason?: string }>
> = {
  leader: { state: {}, statuses: [200, 200, 200, 200] },
  "follower, caught up": {
    state: { role: "follower", leader: OTHER },
    statuses: [200, 200, 200, 503],
  },
  "follower, catching up": {
    state: { role: "follower", leader: OTHER, ready: false, reason: "catching up" },
    statuses: [200, 503, 503, 503],
    reason: "catching up",
  },
  "candidate without a leader": {
    state: { role: "candidate", leader: undefined, ready: false, reason: "no leader is known" },
    statuses: [200, 503, 503, 503],
    reason: "no leader is known",
  },
  "leader that is not ready yet": {
    state: { ready: false, reason: "taking office" },
    statuses: [200, 503, 503, 503],
    reason: "taking office",
  },
  "leader that drains": {
    state: { draining: true },
    statuses: [200, 503, 503, 503],
    reason: "draining: this node is about to stop",
  },
};

describe.each(Object.entries(STATES))("%s", (_name, { state, statuses, reason }) => {
  const paths = ["/healthz", "/health", "/readyz", "/leader"];

  test.each(paths.map((path, index) => [path, statuses[index]!] as const))(
    "%s is %d",
    async (path, status) => {
      const h = new Harness();
      h.broker.state = state;
      for (const prefix of ["", "/api/v1"]) {
        for (const method of ["GET", "HEAD", "OPTIONS"] as const) {
          expect((await h.send(method, prefix + path)).status).toBe(status);
        }
      }
    },
  );

  test("/health says so in its body", async () => {
    const h = new Harness();
    h.broker.state = state;
    const { body, headers } = await h.get("/health");
    const role = state.role ?? "leader";
    const who = { role, node_id: "n1", term: 3, applied_index: 0 };
    const leader = "leader" in state ? (state.leader?.id ?? null) : "n1";
    expect(body).toEqual(
      reason === undefined
        ? { status: "healthy", ...who, leader_id: leader }
        : { status: "unhealthy", reason, ...who, leader_id: leader },
    );
    expect(headers["x-tq-node"]).toBe("n1");
  });
});

describe("a warning", () => {
  const h = (warning: string | undefined) => new Harness({ warning: () => warning });

  test("stands on the health page of a node that is healthy all the same", async () => {
    const { status, body } = await h("the disk is nearly full").get("/health");
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "healthy", warning: "the disk is nearly full" });
  });

  test("is nowhere when there is nothing to warn of", async () => {
    expect((await h(undefined).get("/health")).body).not.toHaveProperty("warning");
  });

  test("keeps no node from being ready, or the leader", async () => {
    for (const path of ["/readyz", "/leader"]) {
      expect((await h("the disk is nearly full").get(path)).status).toBe(200);
    }
  });
});
