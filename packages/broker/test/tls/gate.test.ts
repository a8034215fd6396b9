/** The gate before listeners with TLS: who gets through, who is told off, and who waits for whom. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, get } from "node:http";
import { get as getSecurely } from "node:https";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { Authority } from "../../../../test/certificates.ts";
import { Gate } from "../../src/tls/gate.ts";
import {
  HANDSHAKE_MS_MAX,
  HANDSHAKES_MAX,
  HANDSHAKES_PER_ADDRESS_MAX,
} from "../../src/tls/limits.ts";
import { TlsMaterial } from "../../src/tls/material.ts";
import { Pace } from "../../src/tls/pace.ts";
import { listening, TlsJournal, until } from "./journal.ts";

const dir = mkdtempSync(join(tmpdir(), "tq-gate-"));
const authority = new Authority(dir, "ours");
const stranger = new Authority(dir, "another");
const own = authority.issue("task-queue");
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A listener behind the gate that greets whoever gets through. */
async function door(ca?: string) {
  const log = new TlsJournal();
  const gate = new Gate(log);
  const material = new TlsMaterial({ files: { section: "api", ...own, ca }, log });
  const server = createServer((socket) => socket.end(`hello ${socket.remoteAddress}`));
  gate.guard(server, { name: "the port", material });
  const port = await listening(server);
  closers.push(
    () => server.close(),
    () => gate.close(),
    () => material.close(),
  );
  return { log, gate, material, server, port };
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}

function secure(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    ca: authority.caPem,
    servername: "task-queue",
    ...options,
  });
  closers.push(() => socket.destroy());
  return socket;
}

async function heard(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}

/** One that says this, and nothing after it. */
function begin(port: number, bytes: Uint8Array, localAddress = "127.0.0.1"): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {});
  socket.write(bytes);
  closers.push(() => socket.destroy());
  return socket;
}

/** What a client says first. */
async function helloBytes(): Promise<Buffer> {
  const listener = createServer();
  closers.push(() => listener.close());
  secure(await listening(listener)).on("error", () => {});
  const [socket] = (await once(listener, "connection")) as [Socket];
  closers.push(() => socket.destroy());
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes;
}

/** The code of the error that the client gets, whenever it comes; "" if there is none. */
async function failureOf(socket: TLSSocket): Promise<string> {
  return await heard(socket).then(
    () => "",
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
}

describe("the gate", () => {
  test("lets through whoever finishes the handshake, in 1.2 and 1.3 and nothing older", async () => {
    const { port, gate } = await door();
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const socket = secure(port, { minVersion: version, maxVersion: version });
      expect(await heard(socket)).toBe("hello 127.0.0.1");
    }
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
    expect(await failureOf(secure(port, old))).toContain("PROTOCOL");
    await until(() => gate.size === 0);
  });

  test("keeps a hello together that comes in pieces", async () => {
    const { port } = await door();
    const relay = createServer((from) => {
      const to = connect({ port, host: "127.0.0.1", noDelay: true });
      from.on("data", async (bytes: Buffer) => {
        for (const byte of bytes) to.write(Buffer.of(byte));
      });
      to.pipe(from);
      from.on("error", () => to.destroy());
    });
    const relayPort = await listening(relay);
    closers.push(() => relay.close());
    expect(await heard(secure(relayPort))).toBe("hello 127.0.0.1");
  });

  test("tells plain text what this port speaks, and the log who came", async () => {
    const { port, log } = await door();
    const web = connect({ port, host: "127.0.0.1" });
    web.write("GET / HTTP/1.1\r\n\r\n");
    expect(await heard(web)).toContain("write https://");
    const other = connect({ port, host: "127.0.0.1" });
    other.write("\x00\x00\x00\x10binary");
    expect(await heard(other)).toBe("");
    await log.said("warn plain HTTP came from 127.0.0.1 to the port, which speaks TLS");
  });

  test("wants a certificate of its authority where one is named", async () => {
    const { port, log } = await door(authority.ca);
    const shown = (by: Authority) => {
      const { cert, key } = by.issue("client");
      return { cert: read(cert), key: read(key) };
    };
    expect(await heard(secure(port, shown(authority)))).toBe("hello 127.0.0.1");
    expect(await failureOf(secure(port))).toContain("CERTIFICATE_REQUIRED");
    await log.said("127.0.0.1 with the port failed: the client has shown no certificate");
    secure(port, shown(stranger)).on("error", () => {});
    await log.said("failed: an unknown authority has signed the client's certificate");
    const late = authority.issue("late", { fromDay: -5, toDay: -1 });
    secure(port, { cert: read(late.cert), key: read(late.key) }).on("error", () => {});
    await log.said("failed: the client's certificate has expired");
  });

  test("HTTP behind it is served, and knows its own deadlines", async () => {
    const { gate, material } = await door();
    const server = createHttpServer((_, response) => response.end("served"));
    gate.guard(server, { name: "the REST port", material, protocols: ["http/1.1"] });
    const port = await listening(server);
    closers.push(() => server.close());
    const options = { port, host: "127.0.0.1", ca: authority.caPem, servername: "task-queue" };
    const [response] = await once(getSecurely({ ...options, agent: false }), "response");
    expect(await heard(response)).toBe("served");
    const [plain] = await once(get({ port, host: "127.0.0.1", agent: false }), "response");
    expect(plain.statusCode).toBe(400);
  });

  test("a session is resumed with its ticket, unless a certificate is asked for", async () => {
    const { cert, key } = authority.issue("client");
    const shown = { cert: read(cert), key: read(key) };
    for (const [ca, isResumed] of [
      [undefined, true],
      [authority.ca, false],
    ] as const) {
      const { port } = await door(ca);
      let session: Buffer | undefined;
      const first = secure(port, shown).on("session", (ticket) => {
        session = ticket;
      });
      await heard(first);
      const again = secure(port, { ...shown, ...(session === undefined ? {} : { session }) });
      await once(again, "secureConnect");
      expect(again.isSessionReused()).toBe(isResumed);
    }
  });

  test("nobody may negotiate anew", async () => {
    const { gate, material } = await door();
    const server = createServer(() => {});
    gate.guard(server, { name: "a port that stays open", material });
    const port = await listening(server);
    closers.push(() => server.close());
    const socket = secure(port, { maxVersion: "TLSv1.2" });
    await once(socket, "secureConnect");
    const refusal = await new Promise<unknown>((resolve) => {
      socket.on("error", resolve);
      socket.renegotiate({}, resolve);
    });
    expect(String(refusal)).toMatch(/renegotiation/i);
  });
});

const BEGINS = /^debug a TLS handshake with the port begins/;

describe("half-open connections", () => {
  test("the silent are bounded, and one that speaks gets in beside them at once", async () => {
    const { port, gate } = await door();
    const silent: Socket[] = [];
    for (let i = 0; i < 4 * HANDSHAKES_PER_ADDRESS_MAX; i++) {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("error", () => {});
      silent.push(socket);
      closers.push(() => socket.destroy());
    }
    const cut = () => silent.filter((socket) => socket.destroyed).length;
    for (const socket of silent) socket.resume();
    await until(() => cut() === 3 * HANDSHAKES_PER_ADDRESS_MAX);
    expect(gate.size).toBe(HANDSHAKES_PER_ADDRESS_MAX);
    expect(await heard(secure(port))).toBe("hello 127.0.0.1");
  });

  test("a hello that never ends keeps nobody out", async () => {
    const { port, gate } = await door();
    const head = Buffer.of(0x16, 3, 1, 2, 0, 1);
    for (let i = 0; i < HANDSHAKES_PER_ADDRESS_MAX; i++) begin(port, head);
    await until(() => gate.size === HANDSHAKES_PER_ADDRESS_MAX);
    expect(await heard(secure(port))).toBe("hello 127.0.0.1");
  });

  test("those of a few addresses keep nobody else out", async () => {
    const { port, gate, log } = await door();
    const hello = await helloBytes();
    const addresses = HANDSHAKES_MAX / HANDSHAKES_PER_ADDRESS_MAX;
    for (let i = 0; i < HANDSHAKES_MAX; i++) {
      begin(port, hello, `127.0.0.${2 + (i % addresses)}`);
    }
    const begins = () => log.lines.filter((line) => BEGINS.test(line)).length;
    await until(() => begins() === HANDSHAKES_MAX);
    expect(gate.size).toBe(HANDSHAKES_MAX);
    expect(await heard(secure(port))).toBe("hello 127.0.0.1");
  });

  test("who has begun is not pushed out: newcomers of that address are refused", async () => {
    const { port, gate, log } = await door();
    const hello = await helloBytes();
    const begun = Array.from({ length: HANDSHAKES_PER_ADDRESS_MAX }, () => begin(port, hello));
    const begins = () => log.lines.filter((line) => BEGINS.test(line));
    await until(() => begins().length === begun.length);
    const late = secure(port);
    late.on("error", () => {});
    await log.said("too many TLS handshakes at once: one from 127.0.0.1 to the port was cut");
    for (const socket of begun) socket.destroy();
    await until(() => gate.size === 0);
    expect(await heard(secure(port))).toBe("hello 127.0.0.1");
  });

  test("who leaves in the middle is gone before the deadline, also before HTTP", async () => {
    const { gate, material, log } = await door();
    const server = createHttpServer();
    gate.guard(server, { name: "the REST port", material });
    const port = await listening(server);
    closers.push(() => server.close());
    const begun = begin(port, await helloBytes());
    await log.said("a TLS handshake with the REST port begins");
    begun.resume().end();
    await expect.poll(() => gate.size, { timeout: HANDSHAKE_MS_MAX / 2 }).toBe(0);
  });

  test("a listener that closes does not wait for them", async () => {
    const { port, server, gate } = await door();
    const silent = connect({ port, host: "127.0.0.1" });
    silent.on("error", () => {});
    await until(() => gate.size === 1);
    server.close();
    await once(server, "close");
    expect(gate.size).toBe(0);
  });

  test("bytes of every kind end in nothing worse than a closed connection", async () => {
    const { port, gate } = await door();
    let seed = 7;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed;
    };
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(Array.from({ length: 1 + (random() % 90) }, () => random() % 256));
      if (i % 2 === 0) bytes[0] = 0x16;
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("error", () => {});
      socket.resume();
      socket.end(bytes);
      await once(socket, "close");
    }
    await until(() => gate.size === 0);
    expect(await heard(secure(port))).toBe("hello 127.0.0.1");
  });
});

describe("the pace of handshakes", () => {
  test("a share of the time and a small burst, whatever one costs", () => {
    const pace = new Pace({ share: 0.2, burstMs: 5 });
    const begun = (costMs: number, forMs: number): number => {
      let count = 0;
      for (let now = 1_000; now < 1_000 + forMs; now++) {
        while (pace.waitMs(now) === 0) {
          pace.begin(now, costMs);
          count++;
        }
      }
      return count;
    };
    // One ahead of its time, and then one in 25 ms.
    expect(begun(5, 1_000)).toBe(41);
  });
});
