/** TLS of the client: the broker must prove who it is, and what is wrong is said with its flag. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer as createPlainServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TlsOptions as ServerOptions } from "node:tls";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { Authority, type CertificateFiles } from "../../../test/certificates.ts";
import { dial } from "../src/connection/dial.ts";
import { readTlsFiles, type TlsOptions } from "../src/connection/index.ts";
import { connect } from "../src/index.ts";

const dir = mkdtempSync(join(tmpdir(), "tq-client-tls-"));
const ours = new Authority(dir, "ours");
const theirs = new Authority(dir, "theirs");
const own = ours.issue("task-queue");
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function serve(pair: CertificateFiles, options: ServerOptions = {}): Promise<number> {
  const [cert, key] = [readFileSync(pair.cert), readFileSync(pair.key)];
  return await listening(
    createServer({ cert, key, ...options }, (socket) => {
      socket.on("error", () => {});
      socket.end();
    }),
  );
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Why a broker there cannot be reached. */
async function trouble(port: number, tls: TlsOptions | undefined): Promise<string> {
  const options = { role: "client", apiKey: "", name: "test", version: "1", tls } as const;
  const address = { host: "127.0.0.1", port };
  const dialled = dial(address, options, new AbortController().signal);
  return await dialled.then(
    () => "connected",
    (error: Error) => error.message.replace(/^127\.0\.0\.1:\d+: /, ""),
  );
}

const trusting = { ca: ours.caPem, serverName: "task-queue" };
/** The handshake was good, and what is behind it is no broker. */
const CLOSED = "closed during the handshake: it has no TLS, or asks for a certificate (--tls-cert)";

describe("a broker is reached", () => {
  test("by a name that stands in the certificate, as CN alone or among others", async () => {
    expect(await trouble(await serve(own), trusting)).toContain(CLOSED);
    const listed = ours.issue("broker", { names: ["DNS:a.example", "IP:127.0.0.1"] });
    const port = await serve(listed);
    expect(await trouble(port, { ca: ours.caPem })).toContain(CLOSED);
    expect(await trouble(port, { ...trusting, serverName: "a.example" })).toContain(CLOSED);
    expect(await trouble(port, { ...trusting, serverName: "broker" })).toContain(
      "its certificate is for DNS:a.example, IP Address:127.0.0.1, not for broker",
    );
  });
});

describe("a broker is not believed", () => {
  test("under another name", async () => {
    const why = await trouble(await serve(own), { ca: ours.caPem });
    expect(why).toBe(
      "its certificate is for CN=task-queue, not for 127.0.0.1; --tls-server-name sets the name",
    );
  });

  test("with a certificate of another authority, or of none", async () => {
    const port = await serve(theirs.issue("task-queue"));
    expect(await trouble(port, trusting)).toContain("of no authority that --tls-ca names");
    expect(await trouble(port, {})).toContain("of no authority that Node trusts");
    const selfSigned = await serve({ cert: theirs.ca, key: theirs.ca.replace("crt", "key") });
    expect(await trouble(selfSigned, trusting)).toContain("of no authority that --tls-ca names");
  });

  test("before and after its time", async () => {
    const late = ours.issue("task-queue", { fromDay: -5, toDay: -1 });
    expect(await trouble(await serve(late), trusting)).toContain("its certificate has expired");
    const early = ours.issue("task-queue", { fromDay: 1, toDay: 2 });
    expect(await trouble(await serve(early), trusting)).toContain("is not valid yet");
  });

  test("whatever the environment says", async () => {
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      const port = await serve(theirs.issue("task-queue"));
      expect(await trouble(port, trusting)).toContain("of no authority");
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    }
  });
});

describe("one side has TLS and the other has not", () => {
  test("the error says which flag is missing or too many", async () => {
    const cutting = await listening(createPlainServer((socket) => socket.destroy()));
    expect(await trouble(cutting, undefined)).toMatch(
      /(closed|ECONNRESET).*a broker with TLS.*--tls.*a load balancer behind which nobody leads/,
    );
    expect(await trouble(cutting, trusting)).toContain("a load balancer behind which nobody leads");
    const plain = await listening(createPlainServer((socket) => socket.write("\0\0\0\x05hello")));
    expect(await trouble(plain, trusting)).toContain("it does not speak TLS on this port");
  });

  test("a broker that asks for certificates", async () => {
    const port = await serve(own, { requestCert: true, ca: ours.caPem });
    expect(await trouble(port, trusting)).toContain("--tls-cert");
  });
});

describe("files and options", () => {
  const none = { tls: false, ca: "", cert: "", key: "", serverName: "" };

  test("nothing said is plain text, and any of the flags is TLS", () => {
    expect(readTlsFiles(none)).toBeUndefined();
    expect(readTlsFiles({ ...none, tls: true })).toEqual({});
    expect(readTlsFiles({ ...none, ca: ours.ca })?.ca).toBe(ours.caPem);
  });

  test("what is no use is named by its flag", () => {
    const other = ours.issue("other");
    const noPem = join(dir, "no.pem");
    writeFileSync(noPem, "hello");
    const failing = (paths: Partial<typeof none>) => () => readTlsFiles({ ...none, ...paths });
    expect(failing({ ca: "/nowhere" })).toThrow("--tls-ca: there is no such file: /nowhere");
    expect(failing({ ca: noPem })).toThrow("--tls-ca: there is no certificate in PEM in it");
    expect(failing({ cert: own.cert })).toThrow("--tls-cert and --tls-key belong together");
    expect(failing({ cert: own.key, key: own.key })).toThrow("--tls-cert: there is no");
    expect(failing({ cert: own.cert, key: own.cert })).toThrow("--tls-key: there is no");
    expect(failing({ cert: own.cert, key: other.key })).toThrow(
      "the key in --tls-key does not belong to the certificate in --tls-cert",
    );
  });

  test("a client refuses options that are no use, by their names", () => {
    const tls = { cert: readFileSync(own.cert, "utf8") };
    expect(() => connect({ servers: "127.0.0.1:1", tls })).toThrow("tls.cert and tls.key");
  });
});
