/** The programs of the page about security sign as the broker reads it: each is run as it stands. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { needs } from "../../../../test/needs.ts";
import { SECRETS, SigningDoor } from "./signer.ts";

const PAGE = readFileSync(new URL("../../../../docs/security.md", import.meta.url), "utf8");

/** The block of code in which the file names itself, in a folder of its own. */
function example(name: string): { folder: string; file: string } {
  const blocks = [...PAGE.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
  const found = blocks.filter((code) => /^(#!.*\n)?(#|\/\/) (\S+)/.exec(code)?.[3] === name);
  expect(found).toHaveLength(1);
  const folder = mkdtempSync(join(tmpdir(), "tq-signing-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, found[0]!);
  return { folder, file };
}

async function run(command: string, args: readonly string[], env: object = {}): Promise<string> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const [out, problems] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(problems).toBe("");
  return out;
}

/** A door whose clock goes. */
async function open(): Promise<{ door: SigningDoor; url: string }> {
  const door = await SigningDoor.open({ wall: Date.now() });
  Object.defineProperty(door, "wall", { get: () => Date.now() });
  return { door, url: `http://127.0.0.1:${door.port}` };
}

const BODY = '{"type":"mail","payload":{"to":"é%\\\\n"}}';

needs("openssl")("openssl and curl", async () => {
  const { door, url } = await open();
  const { folder, file } = example("signed.sh");
  const secret = join(folder, "secret");
  writeFileSync(secret, `${SECRETS.shop}\n`);
  const env = { TQ_URL: url, TQ_KEY: "shop", TQ_SECRET_FILE: secret };
  const created = JSON.parse(await run("bash", [file, "POST", "/api/v1/tasks", BODY], env));
  expect(created).toMatchObject({ type: "mail", payload: JSON.parse(BODY).payload });
  const listed = await run("bash", [file, "GET", "/tasks?type=mail&limit=5"], env);
  expect(JSON.parse(listed).tasks).toHaveLength(1);
  expect(door.refusals).toEqual([]);
});

test("Node", async () => {
  const { door, url } = await open();
  const { file } = example("signed.mjs");
  const program = `
    import { sendSigned } from ${JSON.stringify(file)};
    const to = ${JSON.stringify({ url, key: "shop", secret: SECRETS.shop })};
    const created = await sendSigned(to, "POST", "/api/v1/tasks", ${JSON.stringify(BODY)});
    const listed = await sendSigned(to, "GET", "/tasks?type=mail&limit=5");
    console.log(created.status, listed.status, (await listed.json()).tasks.length);`;
  const args = ["--input-type=module", "--eval", program];
  expect(await run(process.execPath, args)).toBe("201 200 1\n");
  expect(door.refusals).toEqual([]);
});

needs("python3")("Python", async () => {
  const { door, url } = await open();
  const { folder } = example("signed.py");
  const program = `
import json, sys
sys.dont_write_bytecode = True
from signed import send_signed
to = ${JSON.stringify([url, "shop", SECRETS.shop])}
created = send_signed(*to, "POST", "/api/v1/tasks", json.loads(sys.argv[1]).encode())
listed = send_signed(*to, "GET", "/tasks?type=mail&limit=5")
print(created.status, listed.status, len(json.load(listed)["tasks"]))`;
  const args = ["-c", program, JSON.stringify(BODY)];
  expect(await run("/usr/bin/python3", args, { PYTHONPATH: folder })).toBe("201 200 1\n");
  expect(door.refusals).toEqual([]);
});
