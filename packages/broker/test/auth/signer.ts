/** A REST listener whose keys may sign, and a signer that can get every single thing wrong. */
import { createHash, createHmac, createSecretKey, randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { KeyAccess } from "../../src/auth/key-access.ts";
import { type Audit, auditedAccess, type Deed, NO_AUDIT } from "../../src/operations/audit.ts";
import type { Permission } from "../../src/operations/permissions.ts";
import { createRestServer } from "../../src/rest/server.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { SETTINGS } from "../rest/harness.ts";
import { FakeThread } from "./key-ring.ts";

export const WINDOW_MS = 300_000;
export const SECRETS = {
  shop: "secret-of-shop-secret-of-shop-0123",
  reader: "secret-of-reader-secret-of-reader-01",
};

export interface Parts {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly date: string;
  readonly nonce: string;
  readonly key: string;
  readonly secret: string;
  /** Headers that are signed, too. */
  readonly conditions: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there.
  readonly body: any;
  readonly headers: IncomingMessage["headers"];
}

type Headers = Readonly<Record<string, string | string[]>>;

/** What is sent in the end; anything of it may differ from what was signed. */
export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: Headers;
}

export function nonce(): string {
  return randomBytes(16).toString("base64url");
}

interface DoorOptions {
  readonly required?: boolean;
  /** What the wall clock shows at the start; it stands still until the test sets it. */
  readonly wall?: number;
}

export class SigningDoor {
  wall: number;
  now = 1_000_000;
  readonly broker = new FakeBroker();
  readonly refusals: Deed[] = [];
  readonly lines: string[] = [];
  readonly keys: KeyAccess;
  readonly #server;
  port = 0;

  constructor({ required = false, wall = 1_800_000_000_000 }: DoorOptions = {}) {
    this.wall = wall;
    this.broker.raise(3);
    const permissions: Readonly<Record<string, Permission>> = {
      shop: "admin",
      reader: "read_tasks",
      mute: "admin",
    };
    this.keys = new KeyAccess({
      keys: Object.entries(permissions).map(([name, permission]) => ({
        name,
        hash: `#${name}`,
        permissions: [permission],
        signingSecret: name === "mute" ? undefined : secretOf(name as "shop" | "reader"),
      })),
      log: { warn: (fields, text) => this.lines.push(`${JSON.stringify(fields)} ${text}`) },
      now: () => this.now,
      wallNow: () => this.wall,
      thread: new FakeThread(),
      signing: { required, windowMs: WINDOW_MS },
    });
    const audit: Audit = { ...NO_AUDIT, refusal: (deed) => void this.refusals.push(deed) };
    this.#server = createRestServer({
      broker: this.broker,
      access: auditedAccess(this.keys, audit, "rest"),
      audit: { ...audit, action: async () => undefined },
      config: { api: { host: "127.0.0.1", restPort: 0 }, broker: SETTINGS, retry: SETTINGS.retry },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
  }

  static async open(options?: DoorOptions): Promise<SigningDoor> {
    const door = new SigningDoor(options);
    door.port = (await door.#server.listen()).port;
    onTestFinished(() => door.#server.close());
    return door;
  }

  /** A request that is right but for what is said. */
  signed(parts: Partial<Parts> = {}): Sent {
    const all: Parts = {
      ...{ method: "POST", path: "/tasks", body: '{"type":"t"}', key: "shop", conditions: {} },
      ...{ date: `${this.wall}`, nonce: nonce(), secret: SECRETS.shop },
      ...parts,
    };
    const { method, path, body, date, nonce: once, key, secret, conditions } = all;
    const digest = createHash("sha256").update(body).digest("hex");
    const more = Object.entries(conditions).map(([name, value]) => `${name}:${value}`);
    const lines = ["TQ-HMAC-SHA256-1", method, path, date, once, digest, ...more];
    const signature = createHmac("sha256", secret).update(lines.join("\n")).digest("base64url");
    const headers: Record<string, string> = {
      authorization: `TQ-HMAC-SHA256 ${signature}`,
      "x-tq-key": key,
      "x-tq-date": date,
      "x-tq-nonce": once,
      ...conditions,
    };
    if (body !== "") {
      headers["x-tq-content-sha256"] = digest;
      headers["content-type"] = "application/json";
    }
    return { method, path, body, headers };
  }

  send(sent: Sent, { chunked = false } = {}): Promise<Answered> {
    const { method, path, body, headers } = sent;
    const length: Headers =
      chunked || body === "" ? {} : { "content-length": `${Buffer.byteLength(body)}` };
    return new Promise((resolve, reject) => {
      const { port } = this;
      const all = { ...headers, ...length };
      const outgoing = httpRequest(
        { host: "127.0.0.1", port, method, path, headers: all, agent: false },
        (answer) => {
          const { statusCode: status = 0, headers } = answer;
          json(answer).then(
            (found) => resolve({ status, headers, body: found }),
            () => resolve({ status, headers, body: undefined }),
          );
        },
      );
      outgoing.once("error", reject);
      if (chunked) {
        // Node itself would tell the length of what is ended at once.
        outgoing.setHeader("transfer-encoding", "chunked");
        outgoing.write(body.slice(0, 5));
        outgoing.end(body.slice(5));
      } else outgoing.end(body);
    });
  }

  ask(parts: Partial<Parts> = {}): Promise<Answered> {
    return this.send(this.signed(parts));
  }
}

export function secretOf(name: keyof typeof SECRETS) {
  return createSecretKey(Buffer.from(SECRETS[name]));
}
