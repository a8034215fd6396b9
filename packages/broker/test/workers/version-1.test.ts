/**
 * A worker and a client of version 1 of the protocol on a broker of today. Their bytes are put
 * together and taken apart here, by what that version's page said and without the codecs of today:
 * what those have learned since must not reach such a peer, nor be asked of it.
 */
import { expect, test } from "vitest";
import { openOne, someTask, until } from "./harness.ts";
import { hello, RawPeer } from "./raw-peer.ts";

const HELLO = 0x01;
const WELCOME = 0x02;
const SUBMIT = 0x10;
const SUBMITTED = 0x11;
const REGISTER = 0x20;
const REGISTERED = 0x21;
const DELIVER = 0x27;
const COMPLETE = 0x30;
const REPORTED = 0x34;
const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ID = Buffer.from("01890a5dac96774bbcceb302099a8057", "hex");

function number(value: number, bytes: number): Buffer {
  const hex = value.toString(16).padStart(2 * bytes, "0");
  return Buffer.from(hex, "hex");
}
const u8 = (value: number) => number(value, 1);
const u16 = (value: number) => number(value, 2);
const u32 = (value: number) => number(value, 4);
const u64 = (value: number) => number(value, 8);
const text = (value: string) => Buffer.concat([u16(value.length), Buffer.from(value)]);
const blob = (value: string) => Buffer.concat([u32(value.length), Buffer.from(value)]);
const list = (...items: Buffer[]) => Buffer.concat([u32(items.length), ...items]);

function f64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

function frame(type: number, requestId: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(5 + body.length), u8(type), u32(requestId), body]);
}

const greeting = (isWorker: boolean) =>
  frame(
    HELLO,
    1,
    Buffer.from("TQ"),
    u8(1),
    u8(1),
    u8(isWorker ? 1 : 0),
    text(""),
    text("old"),
    text("0.1.0"),
  );

/** A connection that says bytes, and hands out the body of the next frame of a type. */
async function dial(port: number) {
  const peer = await RawPeer.dial(port, false);
  let read = 0;
  const frames: { readonly type: number; readonly body: Buffer }[] = [];
  const look = () => {
    const bytes = Buffer.from(peer.text, "latin1");
    while (bytes.length >= read + 4 && bytes.length >= read + 4 + bytes.readUInt32BE(read)) {
      const end = read + 4 + bytes.readUInt32BE(read);
      frames.push({ type: bytes.readUInt8(read + 4), body: bytes.subarray(read + 9, end) });
      read = end;
    }
  };
  const take = async (wanted: number): Promise<Cursor> => {
    const find = () => frames.findIndex(({ type }) => type === wanted);
    await until(() => {
      look();
      if (peer.isClosed) throw new Error(`closed before a frame ${wanted} came`);
      return find() >= 0;
    });
    return new Cursor(frames.splice(find(), 1)[0]!.body);
  };
  return { say: (...all: Buffer[]) => peer.socket.write(Buffer.concat(all)), take };
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  raw(size: number): Buffer {
    this.#at += size;
    expect(this.#at).toBeLessThanOrEqual(this.#bytes.length);
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  number(bytes: number): number {
    return Number(`0x${this.raw(bytes).toString("hex")}`);
  }

  text(): string {
    return this.raw(this.number(2)).toString();
  }

  texts(): string[] {
    return Array.from({ length: this.number(4) }, () => this.text());
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
}

/** A `deliver` as version 1 has it. */
function deliveries(from: Cursor) {
  const tasks = Array.from({ length: from.number(4) }, () => {
    const id = from.raw(16).toString("hex");
    const [token, attempt, failures] = [from.number(8), from.number(4), from.number(4)];
    const [maxRetries, priority, leaseMs] = [from.number(4), from.number(1), from.number(4)];
    const [timeoutMs, createdAt] = [from.number(8), from.number(8)];
    const [type, queue, payloadType] = [from.text(), from.text(), from.number(1)];
    const payload = from.raw(from.number(4)).toString();
    const fields = from.number(1);
    expect(fields).toBeLessThan(8);
    const tags = fields & 1 ? from.texts() : [];
    const metadata = fields & 2 ? from.text() : "";
    const traceparent = fields & 4 ? from.text() : "";
    expect(createdAt).toBeGreaterThan(0);
    expect(leaseMs).toBeGreaterThan(0);
    const numbers = { token, attempt, failures, maxRetries, priority, timeoutMs, payloadType };
    return { id, ...numbers, type, queue, payload, tags, metadata, traceparent };
  });
  expect(from.left).toBe(0);
  return tasks;
}

async function oldWorker(port: number) {
  const worker = await dial(port);
  worker.say(greeting(true));
  await worker.take(WELCOME);
  const names = [text("s1"), Buffer.alloc(16, 7), text("old"), list(), list(text("t"))];
  const rest = [list(text("gpu=1")), u32(4), u32(10), u32(0)];
  worker.say(frame(REGISTER, 2, ...names, ...rest));
  await worker.take(REGISTERED);
  return worker;
}

test("a task with everything that came later is delivered as version 1 has it", async () => {
  const { port, cluster } = await openOne();
  cluster.raise(3);
  const worker = await oldWorker(port);
  const client = await RawPeer.dial(port);
  client.send(1, { ...hello("client"), maxVersion: 2 } as ReturnType<typeof hello>);
  expect(await client.take("welcome")).toMatchObject({ protocolVersion: 2 });
  const task = someTask("t", { n: 1 });
  const extras = {
    expiresInMs: 60_000,
    expiresAt: 0,
    unique: { key: "u", forMs: 5, onConflict: "reject" },
    group: "g",
    requires: ["gpu=1"],
    dependsOn: [],
    onParentFailure: "cancel",
  } as const;
  const retry = { backoff: "list", delaysMs: [1, 2], jitterKind: "full", maxRetries: 7 } as const;
  const said = { tags: ["a"], metadata: "{}", traceparent: TRACE, priority: "high" } as const;
  const content = { ...task.content, ...said, retry, extras };
  client.send(2, { kind: "submit", tasks: [{ ...task, content }] });
  expect((await client.take("submitted")).results).toMatchObject([{ ok: true }]);
  expect(deliveries(await worker.take(DELIVER))).toEqual([
    {
      id: Buffer.from(task.id).toString("hex"),
      token: 1,
      attempt: 1,
      failures: 0,
      maxRetries: 7,
      priority: 2,
      timeoutMs: 0,
      payloadType: 0,
      type: "t",
      queue: "default",
      payload: '{"n":1}',
      ...{ tags: ["a"], metadata: "{}", traceparent: TRACE },
    },
  ]);
});

test("what a peer of version 1 says is understood, and answered in its way", async () => {
  const { port, cluster } = await openOne();
  cluster.raise(3);
  cluster.now = Number(`0x${ID.toString("hex", 0, 6)}`);
  const client = await dial(port);
  client.say(greeting(false));
  expect((await client.take(WELCOME)).number(1)).toBe(1);
  const policy = [u32(5), u64(100), f64(1.5), u64(9_000), f64(0.25)];
  const words = [text("key"), list(text("a"), text("b")), text("{}"), text(TRACE)];
  const times = [u8(3), u64(0), u64(1), u64(30_000)];
  const all = [u16(0x1fff), ...times, ...policy, ...words];
  client.say(
    frame(SUBMIT, 2, list(Buffer.concat([ID, text("t"), text(""), u8(0), blob("{}"), ...all]))),
  );
  const submitted = await client.take(SUBMITTED);
  expect([submitted.number(8), submitted.number(4)]).toEqual([cluster.index, 1]);
  expect(cluster.machine.task(ID)).toMatchObject({
    state: "pending",
    content: {
      ...{ type: "t", queue: "default", priority: "critical", runAt: 1, timeoutMs: 30_000 },
      ...{ idempotencyKey: "key", tags: ["a", "b"], metadata: "{}", traceparent: TRACE },
      ...{ group: "", requires: [], dependsOn: [], unique: undefined, expiresAt: 0 },
    },
    retry: {
      ...{ maxRetries: 5, initialDelayMs: 100, multiplier: 1.5, maxDelayMs: 9_000, jitter: 0.25 },
      ...{ backoff: "exponential", jitterKind: "extra" },
    },
  });
  const worker = await oldWorker(port);
  const [delivery] = deliveries(await worker.take(DELIVER));
  const { token } = delivery!;
  worker.say(frame(COMPLETE, 3, list(Buffer.concat([ID, u64(token), u8(0), blob("true")]))));
  expect((await worker.take(REPORTED)).number(4)).toBe(1);
  expect(cluster.machine.task(ID)).toMatchObject({
    state: "completed",
    result: { bytes: Uint8Array.from(Buffer.from("true")), type: "json" },
  });
});
