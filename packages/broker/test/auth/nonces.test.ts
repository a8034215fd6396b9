/** What is remembered of nonces: none is taken twice, and none is kept longer than it matters. */
import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { NONCE_GENERATIONS } from "../../src/auth/limits.ts";
import { Nonces } from "../../src/auth/nonces.ts";

const WINDOW = 80_000;
const START = 1_800_000_000_000;

const digest = (text: string | number) => createHash("sha256").update(`${text}`).digest();

test("none is taken twice, whenever it comes, and all are forgotten in the end", () => {
  const nonces = new Nonces(WINDOW, START);
  const taken: { at: number; dateMs: number }[] = [];
  let now = START + WINDOW;
  let state = 1;
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let i = 0; i < 20_000; i++) {
    now += random(100);
    const dateMs = now - WINDOW + random(2 * WINDOW);
    expect(nonces.add(digest(i), dateMs, now)).toMatch(/new|unsure/);
    taken.push({ at: i, dateMs });
    const { at, dateMs: date } = taken[random(taken.length)]!;
    if (Math.abs(now - date) > WINDOW) continue;
    expect(nonces.add(digest(at), date, now)).toMatch(/seen|unsure/);
  }
  expect(nonces.size).toBeGreaterThan(1_000);
  now += 3 * WINDOW;
  expect(nonces.add(digest("last"), now, now)).toBe("new");
  expect(nonces.size).toBe(1);
});

test("a clock that went ahead and came back lets nothing in again", () => {
  const nonces = new Nonces(WINDOW, START);
  const date = START + 1_000;
  expect(nonces.add(digest(1), date, date)).toBe("new");
  expect(nonces.add(digest(2), START + 9 * WINDOW, START + 9 * WINDOW)).toBe("new");
  expect(nonces.add(digest(1), date, date)).toBe("unsure");
});

test("within its window nothing is unsure, but for what is older than the start", () => {
  const nonces = new Nonces(WINDOW, START);
  expect(nonces.add(digest("old"), START - 1, START)).toBe("unsure");
  const step = WINDOW / NONCE_GENERATIONS / 3;
  for (let now = START + WINDOW; now < START + 9 * WINDOW; now += step) {
    for (const dateMs of [now - WINDOW, now, now + WINDOW]) {
      expect(nonces.add(randomBytes(32), dateMs, now)).toBe("new");
    }
  }
});

test("there is a most of them, and what is there is still known", () => {
  const nonces = new Nonces(WINDOW, START, 10_000);
  for (let i = 0; i < 10_000; i++) expect(nonces.add(digest(i), START, START)).toBe("new");
  expect(nonces.add(digest("one more"), START, START)).toBe("full");
  expect(nonces.add(digest("one more"), START + WINDOW, START)).toBe("full");
  for (let i = 0; i < 10_000; i++) expect(nonces.add(digest(i), START, START)).toBe("seen");
  expect(nonces.size).toBe(10_000);
});

test("digests that share all but one bit, and those of zeros, are different ones", () => {
  const nonces = new Nonces(WINDOW, START);
  const zeros = Buffer.alloc(32);
  expect(nonces.add(zeros, START, START)).toBe("new");
  expect(nonces.add(zeros, START, START)).toBe("seen");
  for (let bit = 1; bit < 64; bit++) {
    const one = Buffer.alloc(32);
    one[bit >> 3] = 1 << (bit & 7);
    // The lowest bit of the second half stands for zero.
    expect(nonces.add(one, START, START)).toBe(bit === 32 ? "seen" : "new");
  }
});
