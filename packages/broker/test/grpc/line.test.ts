/** Who owes for a connection that was cut, and when his next ones are let in. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  DEBT_CREDIT_MS,
  DEBT_MS_MAX,
  DEBT_SHARE,
  DEBTORS_MAX,
  NEXT_IN_LINE_MS,
} from "../../src/grpc/limits.ts";
import { Line } from "../../src/grpc/line.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function world() {
  const line = new Line();
  const entered: string[] = [];
  const come = (remoteAddress: string, name = remoteAddress): Socket => {
    const more = { remoteAddress, destroyed: false, _readableState: { ended: false } };
    const socket = Object.assign(new EventEmitter(), more);
    const destroy = (): void => {
      socket.destroyed = true;
      socket.emit("close");
    };
    const whole = Object.assign(socket, { destroy }) as unknown as Socket;
    line.enter(whole, () => entered.push(name));
    return whole;
  };
  /** What it has sent before is still unread, so that it does not say so. */
  const leave = (socket: Socket): void => {
    Object.assign(socket, { _readableState: { ended: true } });
  };
  return { line, entered, come, leave };
}

const SECOND_OF_DEBT = 1000 * DEBT_SHARE;

test("who owes nothing, or little, is let in at once", () => {
  const { line, entered, come } = world();
  come("10.0.0.1");
  line.charge("10.0.0.1", DEBT_CREDIT_MS);
  come("10.0.0.1");
  expect(entered).toHaveLength(2);
});

test("who owes more waits for as long as that takes, and nobody else does", () => {
  const { line, entered, come } = world();
  line.charge("10.0.0.1", DEBT_CREDIT_MS + SECOND_OF_DEBT);
  come("10.0.0.1");
  come("10.0.0.2");
  expect(entered).toEqual(["10.0.0.2"]);
  vi.advanceTimersByTime(999);
  expect(entered).toEqual(["10.0.0.2"]);
  vi.advanceTimersByTime(2);
  expect(entered).toEqual(["10.0.0.2", "10.0.0.1"]);
  vi.advanceTimersByTime(NEXT_IN_LINE_MS);
  come("10.0.0.1");
  expect(entered).toHaveLength(3);
});

test("those who wait are let in one after the other, in the order in which they came", () => {
  const { line, entered, come } = world();
  line.charge("10.0.0.1", DEBT_CREDIT_MS + SECOND_OF_DEBT);
  const [, second] = ["first", "second", "third"].map((name) => come("10.0.0.1", name));
  second!.destroy();
  vi.advanceTimersByTime(1001);
  expect(entered).toEqual(["first"]);
  come("10.0.0.1", "fourth");
  vi.advanceTimersByTime(NEXT_IN_LINE_MS);
  expect(entered).toEqual(["first", "third"]);
  vi.advanceTimersByTime(NEXT_IN_LINE_MS);
  expect(entered).toEqual(["first", "third", "fourth"]);
});

test("those who have gone by then keep up nobody, whatever of theirs is unread", () => {
  const { line, entered, come, leave } = world();
  line.charge("10.0.0.1", DEBT_CREDIT_MS + SECOND_OF_DEBT);
  const gone = Array.from({ length: 100 }, (_, at) => come("10.0.0.1", `gone ${at}`));
  come("10.0.0.1", "here");
  for (const socket of gone) leave(socket);
  vi.advanceTimersByTime(1001);
  expect(entered).toEqual(["here"]);
  expect(gone.every(({ destroyed }) => destroyed)).toBe(true);
});

test("one that is let in and is cut in its turn has the others wait anew", () => {
  const { line, entered, come } = world();
  line.charge("10.0.0.1", DEBT_CREDIT_MS + SECOND_OF_DEBT);
  come("10.0.0.1", "bad");
  come("10.0.0.1", "good");
  vi.advanceTimersByTime(1001);
  line.charge("10.0.0.1", SECOND_OF_DEBT);
  vi.advanceTimersByTime(900);
  expect(entered).toEqual(["bad"]);
  vi.advanceTimersByTime(200);
  expect(entered).toEqual(["bad", "good"]);
});

test("nobody waits for longer than the bound, whatever he owes", () => {
  const { line, entered, come } = world();
  for (let at = 0; at < 100; at++) line.charge("10.0.0.1", 1_000_000);
  come("10.0.0.1");
  vi.advanceTimersByTime(DEBT_MS_MAX - 1);
  expect(entered).toEqual([]);
  vi.advanceTimersByTime(2);
  expect(entered).toHaveLength(1);
});

test("the half of an IPv6 address that one has owes as one", () => {
  const { line, entered, come } = world();
  line.charge("2001:db8:1:2::1", 1000);
  come("2001:db8:1:2::ffff");
  come("2001:db8:1:3::1");
  expect(entered).toEqual(["2001:db8:1:3::1"]);
});

test("of very many debtors the one whose last debt is oldest is forgotten", () => {
  const { line, entered, come } = world();
  line.charge("10.0.0.1", 1000);
  line.charge("10.0.0.2", 1000);
  for (let at = 0; at < DEBTORS_MAX - 1; at++) {
    line.charge(`10.1.${at >> 8}.${at & 255}`, 1000);
  }
  come("10.0.0.1");
  come("10.0.0.2");
  expect(entered).toEqual(["10.0.0.1"]);
});

test("those who wait when it closes are closed", () => {
  const { line, entered, come } = world();
  line.charge("10.0.0.1", 1000);
  const socket = come("10.0.0.1");
  line.close();
  expect(socket.destroyed).toBe(true);
  vi.advanceTimersByTime(DEBT_MS_MAX);
  expect(entered).toEqual([]);
});
