/** What waits for one stream: order, sharing of frames, the bound. */
import { describe, expect, test } from "vitest";
import { Outbox } from "../../src/transport/outbox.ts";

class Stream {
  readonly frames: string[] = [];
  #written: (() => void) | undefined;

  readonly write = (parts: readonly Uint8Array[], written: () => void) => {
    expect(this.#written).toBeUndefined();
    this.frames.push(parts.map((part) => Buffer.from(part).toString()).join(""));
    this.#written = written;
  };

  flush(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("Outbox", () => {
  test("one turn shares a frame, and what piles up behind it shares the next", async () => {
    const stream = new Stream();
    const outbox = new Outbox(stream.write, 100, 100);
    outbox.offer(Buffer.from("a"));
    outbox.offer(Buffer.from("b"));
    await turn();
    outbox.offer(Buffer.from("c"));
    outbox.offer(Buffer.from("d"));
    await turn();
    expect(stream.frames).toEqual(["ab"]);
    stream.flush();
    expect(stream.frames).toEqual(["ab", "cd"]);
    stream.flush();
    outbox.offer(Buffer.from("e"));
    await turn();
    expect(stream.frames).toEqual(["ab", "cd", "e"]);
  });

  test("a frame closes at its size, but a larger message still goes, alone", async () => {
    const stream = new Stream();
    const outbox = new Outbox(stream.write, 100, 4);
    for (const text of ["aa", "bb", "c", "dddddd", "e"]) outbox.offer(Buffer.from(text));
    await turn();
    for (let i = 0; i < 4; i++) stream.flush();
    expect(stream.frames).toEqual(["aabb", "c", "dddddd", "e"]);
  });

  test("beyond the bound messages are dropped, and what is under way counts", async () => {
    const stream = new Stream();
    const outbox = new Outbox(stream.write, 10, 100);
    expect(outbox.offer(Buffer.alloc(6))).toBe(true);
    await turn();
    expect(outbox.offer(Buffer.alloc(5))).toBe(false);
    expect(outbox.offer(Buffer.alloc(4))).toBe(true);
    expect(outbox.bytes).toBe(10);
    stream.flush();
    stream.flush();
    expect(outbox.bytes).toBe(0);
    expect(outbox.offer(Buffer.alloc(10))).toBe(true);
  });

  test("after close nothing is written and nothing taken", async () => {
    const stream = new Stream();
    const outbox = new Outbox(stream.write, 10, 100);
    outbox.offer(Buffer.from("a"));
    outbox.close();
    await turn();
    expect(outbox.offer(Buffer.from("b"))).toBe(false);
    expect(stream.frames).toEqual([]);
  });
});
