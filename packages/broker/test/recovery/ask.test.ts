/** How a node that has lost data asks around: whom, in which order, and when it stops. */
import { describe, expect, test } from "vitest";
import { EXIT } from "../../src/exit-status.ts";
import { askToRejoin } from "../../src/recovery/ask.ts";
import type { Rejoin } from "../../src/recovery/rejoin-file.ts";
import type { RejoinAnswer, RejoinQuestion } from "../../src/transport/rejoin-call.ts";

const MEMBER = { id: "b", incarnation: "new", bus: "b:1", address: "b:2" };
const FORMATION = { clusterId: "c1", revision: 4, members: [{ ...MEMBER, voter: false }] };
const REJOIN: Rejoin = {
  phase: "asking",
  clusterId: "c1",
  nodeId: "b",
  former: "old",
  incarnation: "new",
  reason: "log damaged",
  isWhole: true,
  since: 0,
  confirmed: false,
  wasVoter: false,
  buses: ["a:1", "c:1"],
};

type Call = (bus: string, question: RejoinQuestion, nth: number) => RejoinAnswer;

function asking(answerOf: Call, change: Partial<Rejoin> = {}) {
  const over = new AbortController();
  const asked: string[] = [];
  const lines: string[] = [];
  const confirmed: boolean[] = [];
  let now = 0;
  const log = {
    info: (_: object, text: string) => lines.push(`info ${text}`),
    warn: (_: object, text: string) => lines.push(`warn ${text}`),
  };
  const rejoin = { ...REJOIN, ...change };
  const result = askToRejoin({
    rejoin,
    member: MEMBER,
    buses: rejoin.buses,
    onConfirmed: async (wasVoter) => {
      confirmed.push(wasVoter);
    },
    log,
    signal: over.signal,
    call: async (bus, question) => {
      expect(question).toMatchObject({ clusterId: "c1", formerIncarnation: "old", member: MEMBER });
      asked.push(`${bus}${question.confirmed ? " confirmed" : ""}`);
      now += 10_000;
      return answerOf(bus, question, asked.length);
    },
    roundMs: 0,
    now: () => now,
  });
  return { result, asked, lines, confirmed, over };
}

const WAIT: RejoinAnswer = { verdict: "WAIT", reason: "not now" };
const DONE: RejoinAnswer = { verdict: "DONE", formation: FORMATION };

describe("a node that asks to come back", () => {
  test("goes where the leader is, and notes that it may be removed before it agrees", async () => {
    const { result, asked, confirmed } = asking((bus, question) => {
      if (bus !== "d:1") return { verdict: "ASK", leaderBus: "d:1", reason: "d leads" };
      return question.confirmed ? DONE : { verdict: "CONFIRM", wasVoter: true };
    });
    expect(await result).toEqual(FORMATION);
    expect(asked).toEqual(["a:1", "c:1", "d:1", "d:1 confirmed"]);
    expect(confirmed).toEqual([true]);
  });

  test("asks again and again, and says for whom it waits, why, and at last what to do", async () => {
    const { result, asked, lines } = asking((_bus, _question, nth) => (nth < 12 ? WAIT : DONE));
    await result;
    expect(asked).toHaveLength(12);
    expect(lines[0]).toMatch(/^info b waits for the others .*\(log damaged\): a:1: not now/);
    expect(lines.some((line) => /^warn .*--accept-restored-data/.test(line))).toBe(true);
    expect(lines.length).toBeLessThan(6);
  });

  test.each([{ isWhole: false }, { confirmed: true }])(
    "does not speak of accepting what is damaged, or given up: %j",
    async (change) => {
      const { result, lines } = asking((_bus, _question, nth) => (nth < 12 ? WAIT : DONE), change);
      await result;
      expect(lines.at(-1)).toMatch(/bring the others up/);
      expect(lines.join()).not.toContain("--accept-restored-data");
    },
  );

  test("stops when it is refused, with what the leader said", async () => {
    const { result } = asking(() => ({ verdict: "REFUSED", reason: "b was removed" }));
    await expect(result).rejects.toMatchObject({
      exitStatus: EXIT.removed,
      message: "b was removed",
    });
  });

  test("believes no answer that does not list it", async () => {
    const strange = { ...FORMATION, clusterId: "c2" };
    const former = { ...FORMATION, members: [{ ...MEMBER, incarnation: "old", voter: true }] };
    const answers = [strange, former, FORMATION];
    const { result } = asking((_bus, _question, nth) => {
      return { verdict: "DONE", formation: answers[nth - 1]! };
    });
    expect(await result).toBe(FORMATION);
  });

  test("ends when it is told to", async () => {
    const { result, over } = asking((_bus, _question, nth) => {
      if (nth === 5) over.abort(new Error("stopping on SIGTERM"));
      return WAIT;
    });
    await expect(result).rejects.toThrow("stopping on SIGTERM");
  });
});
