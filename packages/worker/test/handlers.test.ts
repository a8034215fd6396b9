/** The handlers that come along: what they do, and what they refuse to do. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { NonRetryable, RetryAfter, TaskAborted } from "../src/errors.ts";
import type { TaskContext } from "../src/handler.ts";
import { AddressGuard } from "../src/handlers/addresses.ts";
import { parseRetryAfter } from "../src/handlers/http.ts";
import { builtinHandlers } from "../src/handlers/index.ts";
import { SILENT } from "../src/logger.ts";

function context(signal = new AbortController().signal): TaskContext {
  return {
    id: "0198f2c4-0000-7000-8000-000000000001",
    type: "x",
    queue: "default",
    attempt: 2,
    maxRetries: 3,
    token: 77n,
    priority: "normal",
    tags: [],
    metadata: {},
    createdAt: new Date(0),
    traceparent: "00-trace",
    signal,
    log: SILENT,
    extend: async () => {},
    submit: () => "",
    progress: () => {},
  };
}

async function call(
  type: string,
  payload: unknown,
  options: Parameters<typeof builtinHandlers>[0] = {},
  ctx = context(),
): Promise<unknown> {
  const handler = builtinHandlers(options)[type];
  if (handler === undefined) throw new Error(`there is no handler ${type}`);
  return await handler(payload, ctx);
}

function thrown(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    (value) => {
      throw new Error(`nothing was thrown but ${JSON.stringify(value)} returned`);
    },
    (error: Error) => error,
  );
}

test("echo returns the payload; sleep waits and heeds its signal", async () => {
  expect(await call("echo", { a: 1 })).toEqual({ a: 1 });
  expect(await call("sleep", { ms: 1 })).toEqual({ slept_ms: 1 });
  const controller = new AbortController();
  const sleeping = thrown(call("sleep", { ms: 60_000 }, {}, context(controller.signal)));
  controller.abort(new TaskAborted("cancelled"));
  expect((await sleeping).name).toBe("AbortError");
  expect(await thrown(call("sleep", { ms: -1 }))).toBeInstanceOf(NonRetryable);
  expect((await thrown(call("sleep", { seconds: 1 }))).message).toContain('no field "seconds"');
});

describe("exec", () => {
  const execAllow = new Map([
    ["cat", "/bin/cat"],
    ["sh", "/bin/sh"],
    ["gone", "/nowhere/program"],
  ]);

  test("is not there unless a program is allowed", () => {
    expect(Object.keys(builtinHandlers())).toEqual(["echo", "sleep", "http"]);
    expect(builtinHandlers({ execAllow })).toHaveProperty("exec");
  });

  test("runs an allowed program with its arguments, without a shell", async () => {
    const result = await call("exec", { command: "cat", stdin: "in", args: ["-"] }, { execAllow });
    expect(result).toEqual({ exit_code: 0, stdout: "in", stderr: "", truncated: false });
    const args = ["-c", 'printf "%s" "$1"', "sh", "$(id); *"];
    const quoted = await call("exec", { command: "sh", args }, { execAllow });
    expect(quoted).toMatchObject({ stdout: "$(id); *" });
  });

  test("the program sees the task but not the worker's keys", async () => {
    process.env["TQ_API_KEY"] = "secret";
    onTestFinished(() => {
      delete process.env["TQ_API_KEY"];
    });
    const payload = { command: "sh", args: ["-c", "env"] };
    const { stdout } = (await call("exec", payload, { execAllow })) as { stdout: string };
    expect(stdout).toContain("TQ_TASK_TOKEN=77");
    expect(stdout).toContain("TQ_TASK_ATTEMPT=2");
    expect(stdout).not.toContain("secret");
  });

  test.each([
    [{ command: "rm" }, /"rm" is not allowed here; allowed: cat, sh, gone/],
    [{ command: "/bin/cat" }, /not allowed/],
    [{}, /"command" is missing/],
    [{ command: "cat", args: "-n" }, /array of strings/],
    [{ command: "cat", args: ["a\0b"] }, /NUL/],
    [{ command: "cat", timeout_ms: 0 }, /"timeout_ms"/],
    [["cat"], /must be an object/],
  ])("refuses %j for good", async (payload, message) => {
    const error = await thrown(call("exec", payload, { execAllow }));
    expect(error).toBeInstanceOf(NonRetryable);
    expect(error.message).toMatch(message);
  });

  test("a program that fails is a failure with what it said", async () => {
    const payload = { command: "sh", args: ["-c", "echo trouble >&2; exit 3"] };
    const error = await thrown(call("exec", payload, { execAllow }));
    expect(error.message).toBe("exec: /bin/sh ended with status 3: trouble");
    expect(error).not.toBeInstanceOf(NonRetryable);
    const missing = await thrown(call("exec", { command: "gone" }, { execAllow }));
    expect(missing.message).toContain("could not be started");
  });

  test("an abort ends the program and what it has started", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tq-exec-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "pid");
    const controller = new AbortController();
    const args = ["-c", 'sleep 600 & echo $! > "$1.part"; mv "$1.part" "$1"; wait', "sh", file];
    const payload = { command: "sh", args };
    const running = thrown(call("exec", payload, { execAllow }, context(controller.signal)));
    while (!existsSync(file)) await setTimeout(5);
    controller.abort(new TaskAborted("timeout"));
    expect(await running).toBeInstanceOf(TaskAborted);
    const pid = Number(readFileSync(file, "utf8"));
    while (isAlive(pid)) await setTimeout(5);
  });

  test("its own timeout, and output beyond what is kept", async () => {
    const slow = { command: "sh", args: ["-c", "sleep 60"], timeout_ms: 50 };
    expect((await thrown(call("exec", slow, { execAllow }))).message).toContain("timeout_ms");
    const loud = { command: "sh", args: ["-c", "head -c 200000 /dev/zero"] };
    const result = (await call("exec", loud, { execAllow })) as { stdout: string };
    expect(result).toMatchObject({ truncated: true });
    expect(result.stdout).toHaveLength(64 * 1024);
  });
});

/** A zombie that nobody has collected yet is dead enough. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

describe("http", () => {
  async function serve(answer: http.RequestListener): Promise<string> {
    const server = http.createServer(answer);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function status(
    code: number,
    headers: http.OutgoingHttpHeaders = {},
    body = "",
  ): Promise<string> {
    return serve((_request, response) => response.writeHead(code, headers).end(body));
  }

  test("sends what the payload says, and the result is the answer's beginning", async () => {
    let seen: http.IncomingMessage | undefined;
    let body = "";
    const url = await serve((request, response) => {
      seen = request;
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        response.writeHead(201, { "content-type": "text/plain" }).end("x".repeat(5_000));
      });
    });
    const headers = { "X-Custom": "1" };
    const result = await call("http", { url: `${url}/p?q=1`, headers, body: { n: "é" } });
    expect(result).toEqual({
      status: 201,
      content_type: "text/plain",
      body: "x".repeat(4_096),
      truncated: true,
    });
    expect(body).toBe('{"n":"é"}');
    expect(seen).toMatchObject({ method: "POST", url: "/p?q=1" });
    expect(seen?.headers).toMatchObject({
      "x-custom": "1",
      "content-type": "application/json",
      "idempotency-key": context().id,
      traceparent: "00-trace",
    });
  });

  test.each([
    [500, Error],
    [503, Error],
    [408, Error],
    [429, Error],
    [404, NonRetryable],
    [301, NonRetryable],
  ])("status %i is a failure of the right kind", async (code, kind) => {
    const url = await status(code, { location: "http://169.254.169.254/" }, "sorry");
    const error = await thrown(call("http", { url }));
    expect(error.constructor).toBe(kind);
    expect(error.message).toBe(`http: GET ${url} answered ${code}: sorry`);
  });

  test("Retry-After is honoured", async () => {
    const url = await status(429, { "retry-after": "7" });
    const error = await thrown(call("http", { url }));
    expect(error).toBeInstanceOf(RetryAfter);
    expect((error as RetryAfter).delayMs).toBe(7_000);
    const now = Date.parse("2030-01-01T00:00:00Z");
    expect(parseRetryAfter("Tue, 01 Jan 2030 00:00:05 GMT", now)).toBe(5_000);
    expect(parseRetryAfter("Tue, 01 Jan 2019 00:00:05 GMT", now)).toBe(0);
    expect(parseRetryAfter("soon", now)).toBeUndefined();
  });

  test("expect_status decides what is right", async () => {
    const url = await status(404);
    expect(await call("http", { url, expect_status: [200, 404] })).toMatchObject({ status: 404 });
    const other = await status(200);
    expect(await thrown(call("http", { url: other, expect_status: 201 }))).toBeInstanceOf(
      NonRetryable,
    );
  });

  test("no answer, no server, and an abort", async () => {
    const url = await serve(() => {});
    const slow = await thrown(call("http", { url, timeout_ms: 30 }));
    expect(slow.message).toBe(`http: GET ${url} had no answer in 30 ms`);
    const refused = await thrown(call("http", { url: "http://127.0.0.1:1" }));
    expect(refused.message).toContain("ECONNREFUSED");
    expect(refused).not.toBeInstanceOf(NonRetryable);
    const controller = new AbortController();
    const aborted = thrown(call("http", { url }, {}, context(controller.signal)));
    controller.abort(new TaskAborted("cancelled"));
    expect(await aborted).toBeInstanceOf(TaskAborted);
  });

  test.each([
    [{}, /"url" is missing/],
    [{ url: "file:///etc/passwd" }, /http: or https:/],
    [{ url: "not a url" }, /http: or https:/],
    [{ url: "http://a", method: "CONNECT" }, /"method"/],
    [{ url: "http://a", headers: { Host: "b" } }, /"host" cannot be set/],
    [{ url: "http://a", headers: { "x-a": "b\r\nc: d" } }, /not a valid header/],
    [{ url: "http://a", headers: { "x a": "b" } }, /not a valid header/],
    [{ url: "http://a", expect_status: [] }, /"expect_status"/],
    [{ url: "http://a", follow: true }, /no field "follow"/],
    [{ url: "http://169.254.169.254/latest" }, /may not be reached/],
    [{ url: "http://0xA9FEA9FE/" }, /may not be reached/],
    [{ url: "http://[::ffff:169.254.169.254]/" }, /may not be reached/],
    [{ url: "http://[fe80::1]/" }, /may not be reached/],
  ])("refuses %j for good", async (payload, message) => {
    const error = await thrown(call("http", payload));
    expect(error).toBeInstanceOf(NonRetryable);
    expect(error.message).toMatch(message);
  });

  test("private and loopback addresses are refused on demand, by name too", async () => {
    const url = await status(200);
    const options = { http: { denyPrivate: true } };
    const port = new URL(url).port;
    for (const host of ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "192.168.0.1"]) {
      const error = await thrown(call("http", { url: `http://${host}:${port}` }, options));
      expect(error).toBeInstanceOf(NonRetryable);
    }
    expect(() => new AddressGuard(true).check("93.184.216.34")).not.toThrow();
  });
});
