/** Signed requests to REST: what lets them in, and everything that an attacker may try with them. */
import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import type { TqError } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { Signatures } from "../../src/auth/signatures.ts";
import { batchBodyBytesMax } from "../../src/rest/limits.ts";
import { Harness, SETTINGS } from "../rest/harness.ts";
import {
  nonce,
  type Parts,
  SECRETS,
  type Sent,
  SigningDoor,
  secretOf,
  WINDOW_MS,
} from "./signer.ts";

const GET = { method: "GET", path: "/tasks?limit=5", body: "" };

describe("a signed request", () => {
  test("needs no key, and may do what its key permits", async () => {
    const door = await SigningDoor.open();
    expect((await door.ask()).status).toBe(201);
    expect((await door.ask(GET)).status).toBe(200);
    const reader = { key: "reader", secret: SECRETS.reader };
    expect((await door.ask({ ...GET, ...reader })).status).toBe(200);
    const refused = await door.ask(reader);
    expect([refused.status, refused.body.code]).toEqual([403, "permission_denied"]);
    expect(refused.body.detail).toContain('the key "reader" lacks');
  });

  test("is dated in milliseconds or as RFC 3339, and has a nonce in base64url or hex", async () => {
    const door = await SigningDoor.open();
    const dates = [`${door.wall}`, new Date(door.wall).toISOString(), "2027-01-15T09:00:00+01:00"];
    for (const date of dates) expect((await door.ask({ ...GET, date })).status).toBe(200);
    for (const once of ["0".repeat(32), "Az09-_".repeat(4), "A".repeat(86)]) {
      expect((await door.ask({ ...GET, nonce: once })).status).toBe(200);
    }
  });

  test.each([
    ["POST", "/tasks/0198f2c4-0000-7000-8000-000000000001/cancel", "", 404],
    ["DELETE", "/queues/q", "", 204],
    ["PUT", "/queues/q", "{}", 200],
    ["GET", "/api/v1/tasks?tag=a%20b&limit=1", "", 200],
    ["HEAD", "/queues", "", 200],
    ["POST", "/tasks", '{"type":"t","payload":"é ✓"}', 201],
  ])("%s %s comes to its route", async (method, path, body, status) => {
    const door = await SigningDoor.open();
    expect((await door.ask({ method, path, body })).status).toBe(status);
  });

  test("may have a body in chunks, and as large a one as others", async () => {
    const door = await SigningDoor.open();
    expect((await door.send(door.signed(), { chunked: true })).status).toBe(201);
    const payload = "x".repeat(SETTINGS.maxPayloadBytes - 2);
    expect((await door.ask({ body: JSON.stringify({ type: "t", payload }) })).status).toBe(201);
    const body = " ".repeat(batchBodyBytesMax(SETTINGS.maxPayloadBytes) + 1);
    for (const chunked of [false, true]) {
      const sent = door.signed({ path: "/tasks/batch", body });
      const answer = await door.send(sent, { chunked }).catch(() => undefined);
      // The rest of what is too large is not waited for, and so may meet a closed connection.
      expect([413, undefined]).toContain(answer?.status);
    }
    expect(door.broker.commands).toHaveLength(2);
  });

  test("follows events for as long as they come", async () => {
    const door = await SigningDoor.open();
    const { headers } = door.signed({ method: "GET", path: "/events", body: "" });
    const abort = new AbortController();
    const url = `http://127.0.0.1:${door.port}/events`;
    const flat = headers as Record<string, string>;
    const answer = await fetch(url, { headers: flat, signal: abort.signal });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    abort.abort();
  });

  test("is let in where nobody is asked for a key", async () => {
    const open = new Harness();
    const { headers } = new SigningDoor().signed(GET);
    const answer = await open.get("/queues", headers as Record<string, string>);
    expect(answer.status).toBe(200);
  });
});

type Change = (sent: Sent, door: SigningDoor) => Sent;

const withHeader = (name: string, value: string | string[]): Change => {
  return (sent) => ({ ...sent, headers: { ...sent.headers, [name]: value } });
};

const without = (name: string): Change => {
  return (sent) => {
    const { [name]: _, ...headers } = sent.headers;
    return { ...sent, headers };
  };
};

/** Another request than the one that was signed. */
const CHANGES: readonly (readonly [string, Change])[] = [
  ["body", (sent) => ({ ...sent, body: '{"type":"u"}' })],
  ["body cut off", (sent) => ({ ...sent, body: "" })],
  ["body and its digest", (_, door) => other(door, { body: '{"type":"u"}' })],
  ["digest left out", without("x-tq-content-sha256")],
  ["path", (sent) => ({ ...sent, path: "/tasks/batch" })],
  ["prefix", (sent) => ({ ...sent, path: "/api/v1/tasks" })],
  ["query", (sent) => ({ ...sent, path: "/tasks?x=1" })],
  ["slash", (sent) => ({ ...sent, path: "/tasks/" })],
  ["method", (sent) => ({ ...sent, method: "PUT", path: "/tasks" })],
  ["date", (sent, door) => withHeader("x-tq-date", `${door.wall + 1}`)(sent, door)],
  [
    "date in another form",
    (sent, door) => {
      return withHeader("x-tq-date", new Date(door.wall).toISOString())(sent, door);
    },
  ],
  ["nonce", withHeader("x-tq-nonce", "A".repeat(22))],
  ["key", withHeader("x-tq-key", "reader")],
  ["condition added", withHeader("idempotency-key", "k")],
  ["another condition", withHeader("if-match", '"1"')],
];

/** The headers of another request, with the signature of the first. */
function other(door: SigningDoor, parts: Partial<Parts>): Sent {
  const first = door.signed({ nonce: "B".repeat(22) });
  const second = door.signed({ nonce: "B".repeat(22), ...parts });
  const authorization = first.headers["authorization"]!;
  return { ...second, headers: { ...second.headers, authorization } };
}

describe("nothing is done of a request that was changed:", () => {
  test.each(CHANGES)("%s", async (_what, change) => {
    const door = await SigningDoor.open();
    const answer = await door.send(change(door.signed(), door));
    // A path that is not there is told before anybody is asked who they are.
    expect([401, 404, 405]).toContain(answer.status);
    if (answer.status === 401) expect(answer.body.code).toBe("unauthenticated");
    expect(door.broker.commands).toEqual([]);
    expect((await door.ask()).status).toBe(201);
  });

  test("a condition taken away or replaced", async () => {
    const door = await SigningDoor.open();
    for (const name of ["idempotency-key", "if-match", "if-none-match"]) {
      const value = name === "if-none-match" ? "*" : '"7"';
      const parts = { method: "PUT", path: "/queues/q", body: "{}", conditions: { [name]: value } };
      for (const change of [
        without(name),
        withHeader(name, '"8"'),
        withHeader(name, [value, "x"]),
      ]) {
        expect((await door.send(change(door.signed(parts), door))).status).toBe(401);
      }
      expect((await door.ask(parts)).status).not.toBe(401);
    }
  });

  test.each([
    ["another secret", { secret: "another-secret-another-secret-0123" }],
    ["a key that there is not", { key: "nobody" }],
    ["a key that has no secret", { key: "mute", secret: "" }],
    ["another's secret", { secret: SECRETS.reader }],
  ])("%s is all the same to a stranger", async (_what, parts) => {
    const door = await SigningDoor.open();
    const { status, body } = await door.ask(parts);
    expect([status, body.code]).toEqual([401, "unauthenticated"]);
    expect(body.detail).toMatch(/^the signature is not that of this request by such a key/);
    expect(door.refusals).toMatchObject([{ who: "", outcome: "unauthenticated" }]);
    const told = JSON.stringify([body, door.refusals, door.lines]);
    for (const secret of Object.values(SECRETS)) expect(told).not.toContain(secret);
  });
});

describe("headers that cannot be", () => {
  const DATE = "x-tq-date";
  const NONCE = "x-tq-nonce";
  test.each([
    ["authorization", "TQ-HMAC-SHA256", "has the form"],
    ["authorization", "TQ-HMAC-SHA256 short", "has the form"],
    ["authorization", `TQ-HMAC-SHA256 ${"A".repeat(44)}`, "has the form"],
    ["authorization", `TQ-HMAC-SHA256 ${"+".repeat(43)}`, "has the form"],
    ["authorization", "TQ-HMAC-SHA512 x", "Bearer KEY"],
    ["x-tq-key", "a b", "x-tq-key"],
    ["x-tq-key", "x".repeat(65), "x-tq-key"],
    ["x-tq-key", "__proto__", "signature"],
    [DATE, "yesterday", DATE],
    [DATE, "2027-01-15", DATE],
    [DATE, "1e12", DATE],
    [DATE, "-1800000000000", DATE],
    [DATE, "9".repeat(400), DATE],
    [NONCE, "A".repeat(21), NONCE],
    [NONCE, "A".repeat(87), NONCE],
    [NONCE, `${"A".repeat(22)}==`, NONCE],
    [NONCE, `${"A".repeat(22)}+/`, NONCE],
    [NONCE, "ä".repeat(22), NONCE],
    [NONCE, "", NONCE],
    ["x-tq-content-sha256", "0".repeat(63), "x-tq-content-sha256"],
    ["x-tq-content-sha256", "A".repeat(64), "x-tq-content-sha256"],
    ["x-api-key", "shop", "X-API-Key"],
  ])("%s: %s", async (name, value, named) => {
    const door = await SigningDoor.open();
    const sent = withHeader(name, Buffer.from(value).toString("latin1"))(door.signed(), door);
    const { status, body } = await door.send(sent);
    expect([status, body.code]).toEqual([401, "unauthenticated"]);
    expect(body.detail).toContain(named);
    expect(door.broker.commands).toEqual([]);
    expect(door.refusals).toHaveLength(1);
  });

  test.each(["x-tq-key", DATE, NONCE])("%s missing", async (name) => {
    const door = await SigningDoor.open();
    const { status, body } = await door.send(without(name)(door.signed(), door));
    expect([status, body.detail]).toEqual([401, expect.stringContaining(`${name}: `)]);
  });

  test.each(["authorization", "x-tq-key", DATE, NONCE, "x-tq-content-sha256"])(
    "%s twice, the second one wrong or the same",
    async (name) => {
      const door = await SigningDoor.open();
      for (const isSame of [true, false]) {
        const { path, body, headers } = door.signed();
        const lines = [...Object.entries(headers), [name, isSame ? headers[name] : "x"]];
        const head = lines.map(([key, value]) => `${key}: ${value}\r\n`).join("");
        const socket = connect(door.port, "127.0.0.1");
        socket.end(
          `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head}` +
            `Content-Length: ${body.length}\r\n\r\n${body}`,
        );
        const answer = await text(socket);
        expect(answer).toMatch(/^HTTP\/1\.1 401/);
        expect(answer).toContain(`${name} was sent 2 times`);
      }
      expect(door.broker.commands).toEqual([]);
    },
  );
});

describe("time", () => {
  test.each([-1, 1])("a clock that is %i windows off is told both clocks", async (sign) => {
    const door = await SigningDoor.open();
    door.wall += 10 * WINDOW_MS;
    const edge = door.wall + sign * WINDOW_MS;
    expect((await door.ask({ ...GET, date: `${edge}` })).status).toBe(200);
    const { status, body } = await door.ask({ ...GET, date: `${edge + sign}` });
    expect([status, body.code]).toEqual([401, "unauthenticated"]);
    expect(body.detail).toContain(new Date(edge + sign).toISOString());
    expect(body.detail).toContain(new Date(door.wall).toISOString());
  });

  test("what was signed before the broker started may have come to it already", async () => {
    const door = await SigningDoor.open();
    const { status, body, headers } = await door.ask({ ...GET, date: `${door.wall - 1}` });
    expect([status, body.code]).toEqual([429, "overloaded"]);
    expect(headers["retry-after"]).toBe("2");
    expect((await door.ask(GET)).status).toBe(200);
  });
});

describe("a request that comes again", () => {
  test("is refused for as long as its date is taken at all", async () => {
    const door = await SigningDoor.open();
    const ahead = WINDOW_MS - 1;
    const sent = door.signed({ date: `${door.wall + ahead}` });
    expect((await door.send(sent)).status).toBe(201);
    for (let step = 0; step <= 40; step++) {
      const again = await door.send(sent);
      expect([again.status, again.body.code]).toEqual([401, "unauthenticated"]);
      if (step === 0) expect(again.body.detail).toContain("nonce has come before");
      door.wall += WINDOW_MS / 16;
    }
    expect(door.broker.commands).toHaveLength(1);
  });

  test("is refused with other parts under the same nonce, but for another key", async () => {
    const door = await SigningDoor.open();
    const once = nonce();
    expect((await door.ask({ nonce: once })).status).toBe(201);
    expect((await door.ask({ ...GET, nonce: once })).status).toBe(401);
    const reader = { key: "reader", secret: SECRETS.reader };
    expect((await door.ask({ ...GET, ...reader, nonce: once })).status).toBe(200);
  });

  test("at once, a hundred times, is done once", async () => {
    const door = await SigningDoor.open();
    const sent = door.signed();
    const answers = await Promise.all(Array.from({ length: 100 }, () => door.send(sent)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(99);
  });

  test("a nonce that a stranger shows first is not used up", async () => {
    const door = await SigningDoor.open();
    const once = nonce();
    const forged = { nonce: once, secret: "x".repeat(32) };
    expect((await door.ask(forged)).status).toBe(401);
    expect((await door.ask({ nonce: once })).status).toBe(201);
  });
});

describe("settings", () => {
  test("where signing is required no key opens REST, but for the health pages", async () => {
    const door = await SigningDoor.open({ required: true });
    const key = { ...GET, headers: { "x-api-key": "shop" } };
    const refused = await door.send(key);
    expect([refused.status, refused.body.detail]).toEqual([
      401,
      "requests to this port are signed (auth.signing_required); this is not",
    ]);
    expect((await door.send({ ...GET, headers: {} })).status).toBe(401);
    expect((await door.send({ ...key, path: "/healthz" })).status).toBe(200);
    expect((await door.ask()).status).toBe(201);
    expect(door.refusals).toHaveLength(2);
  });

  test("where it is not, keys and signatures go side by side", async () => {
    const door = await SigningDoor.open();
    expect((await door.send({ ...GET, headers: { "x-api-key": "shop" } })).status).toBe(200);
    expect((await door.ask(GET)).status).toBe(200);
  });

  test("a secret that is replaced or taken away is none from then on", async () => {
    const door = await SigningDoor.open();
    const shop = { name: "shop", hash: "#shop", permissions: ["admin"] as const };
    door.keys.replace({ keys: [{ ...shop, signingSecret: secretOf("reader") }] });
    expect((await door.ask(GET)).status).toBe(401);
    expect((await door.ask({ ...GET, secret: SECRETS.reader })).status).toBe(200);
    door.keys.replace({ keys: [shop] });
    expect((await door.ask({ ...GET, secret: SECRETS.reader })).status).toBe(401);
  });

  test("the rate of a key counts what it signs", async () => {
    const door = await SigningDoor.open();
    const rate = { perSecond: 1, burst: 2 };
    const signingSecret = secretOf("shop");
    door.keys.replace({
      keys: [{ name: "shop", hash: "#s", permissions: ["admin"], signingSecret, rate }],
    });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await door.ask(GET)).status);
    expect(statuses).toEqual([200, 200, 429]);
  });
});

test("ten thousand nonces are remembered where so many may be; one more has to wait", () => {
  let now = 1_800_000_000_000;
  const key = { name: "shop", hash: "#", permissions: [], signingSecret: secretOf("shop") };
  const noncesMax = 10_000;
  const signatures = new Signatures({
    ...{ keys: [key], windowMs: WINDOW_MS, now: () => now, noncesMax },
  });
  const code = (once: string): string => {
    const signature = createHmac("sha256", SECRETS.shop).update(once).digest("base64url");
    try {
      signatures.check({ key: "shop", dateMs: now, nonce: once, signature, text: once });
      return "ok";
    } catch (error) {
      return (error as TqError).code;
    }
  };
  for (let i = 0; i < noncesMax; i++) expect(code(`nonce-${i}`)).toBe("ok");
  for (let i = 0; i < 100; i++) {
    expect(code(`more-${i}`)).toBe("overloaded");
    expect(code(`nonce-${i * 100}`)).toBe("unauthenticated");
  }
  now += 2 * WINDOW_MS;
  expect(code("more-0")).toBe("ok");
});
