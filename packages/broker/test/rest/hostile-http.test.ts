/**
 * Requests on which two programs might disagree where they end, and clients that take their time:
 * each is answered once, cut, and what follows on its connection is never taken for a request.
 */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Harness } from "./harness.ts";

const TYPE = "Content-Type: application/json";
/** What an attacker wants to be taken for a request of its own. */
const HIDDEN = `POST /tasks HTTP/1.1\r\nHost: x\r\n${TYPE}\r\nContent-Length: 12\r\n\r\n{"type":"t"}`;

let h: Harness;
let port: number;

beforeEach(async () => {
  h = new Harness();
  await h.app.listen({ port: 0, host: "127.0.0.1" });
  port = (h.app.addresses()[0] as { port: number }).port;
});

afterEach(async () => {
  h.app.server.closeAllConnections();
  await h.app.close();
});

/** All that comes back until the connection ends. */
async function send(bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(Buffer.from(bytes, "latin1"));
  return text(socket);
}

function statusesOf(answer: string): string[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status!);
}

const BOTH = ["Content-Length: 4", "Transfer-Encoding: chunked"];

describe("a request that can be read in two ways", () => {
  test.each([
    ["a length, then chunks", BOTH, "0\r\n\r\n"],
    ["chunks, then a length", [...BOTH].reverse(), "0\r\n\r\n"],
    ["two lengths", ["Content-Length: 2", "Content-Length: 44"], "{}"],
    ["two lengths in one", ["Content-Length: 2, 44"], "{}"],
    ["a length with a sign", ["Content-Length: +2"], "{}"],
    ["a length below zero", ["Content-Length: -1"], ""],
    ["a length in hex", ["Content-Length: 0x2"], "{}"],
    ["a length with a space in it", ["Content-Length: 1 2"], "{}"],
    ["a length beyond all numbers", [`Content-Length: ${"9".repeat(30)}`], "{}"],
    ["a space before the colon", ["Content-Length : 2"], "{}"],
    ["a space before chunks' colon", ["Transfer-Encoding : chunked"], "0\r\n\r\n"],
    ["chunks that are not last", ["Transfer-Encoding: chunked, identity"], "0\r\n\r\n"],
    ["an encoding that nobody knows", ["Transfer-Encoding: xchunked"], "0\r\n\r\n"],
    ["a vertical tab before chunks", ["Transfer-Encoding: \x0bchunked"], "0\r\n\r\n"],
    ["a header without a colon", ["Transfer-Encoding chunked"], "0\r\n\r\n"],
    ["a header that goes on in the next line", ["X: y", " Content-Length: 2"], "{}"],
    ["a line that ends with CR alone", ["X: y\rContent-Length: 2"], "{}"],
    ["a line that ends with LF alone", ["X: y\nContent-Length: 2"], "{}"],
    [
      "a chunk's line that ends with LF alone",
      ["Transfer-Encoding: chunked"],
      "2\n{}\r\n0\r\n\r\n",
    ],
    [
      "LF in what a chunk says of itself",
      ["Transfer-Encoding: chunked"],
      "2;\n\r\n{}\r\n0\r\n\r\n",
    ],
    ["NUL in a header", ["X: a\0b"], ""],
    ["a name that is no token", ["Content(Length: 2"], "{}"],
    ["a chunk's size with a sign", ["Transfer-Encoding: chunked"], "+2\r\n{}\r\n0\r\n\r\n"],
    ["a chunk's size that is none", ["Transfer-Encoding: chunked"], "zz\r\n{}\r\n0\r\n\r\n"],
    ["a chunk that is longer than it says", ["Transfer-Encoding: chunked"], "1\r\n{}\r\n0\r\n\r\n"],
  ])("%s", async (_name, headers, body) => {
    const head = ["POST /tasks HTTP/1.1", "Host: x", TYPE, ...headers].join("\r\n");
    const answer = await send(`${head}\r\n\r\n${body}${HIDDEN}`);
    expect(statusesOf(answer)).toEqual(["400"]);
    expect(answer).toContain("Connection: close");
    expect(h.broker.commands).toEqual([]);
  });

  test.each([
    ["no version", "POST /tasks\r\n\r\n"],
    ["a version that does not exist", "POST /tasks HTTP/9.9\r\nHost: x\r\n\r\n"],
    ["a method that does not exist", "TAKE /tasks HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ])("%s", async (_name, bytes) => {
    expect(statusesOf(await send(`${bytes}${HIDDEN}`))).toEqual(["400"]);
    expect(h.broker.commands).toEqual([]);
  });

  test("without a host there is no answer but 400", async () => {
    expect(statusesOf(await send("GET /queues HTTP/1.1\r\n\r\n"))).toEqual(["400"]);
  });

  test("a body where none is needed is not taken for the next request", async () => {
    const length = `Content-Length: ${HIDDEN.length}`;
    const last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const answer = await send(
      `GET /queues HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n${HIDDEN}${last}`,
    );
    expect(statusesOf(answer)).toEqual(["200", "200"]);
    expect(h.broker.commands).toEqual([]);
  });
});

describe("a client that takes its time", () => {
  test.each([
    ["over the first line", "GET /hea"],
    ["over its headers", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: y"],
    [
      "over its body",
      `POST /tasks HTTP/1.1\r\nHost: x\r\n${TYPE}\r\nContent-Length: 12\r\n\r\n{"t`,
    ],
  ])("%s is told so and cut", async (_name, bytes) => {
    h.app.server.headersTimeout = 20;
    h.app.server.requestTimeout = 40;
    const answer = await send(bytes);
    expect(statusesOf(answer)).toEqual(["408"]);
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!).detail).toBe("the request came too slowly");
    expect(h.broker.commands).toEqual([]);
  });
});
