/**
 * Guards what Biome and the compiler cannot: sizes, the direction of imports, purity, and words that
 * have no business in a finished file. Each rule is a line of a table; see STYLE.md for the reasons.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const LINES_PER_FILE_MAX = 400;
/** A suite may list more cases than a file of code may hold ideas. */
const LINES_PER_TEST_MAX = 600;
const CHARACTERS_PER_LINE_MAX = 100;

/** Folders that hold no clock, socket, file, promise or dice. */
const PURE = [
  "packages/raft/src/",
  "packages/protocol/src/",
  "packages/broker/src/queue/",
  "packages/broker/src/replica/",
];

const BANNED_IN_PURE: readonly [RegExp, string][] = [
  [/\basync\b|\bawait\b|\bPromise\b/, "promises"],
  [/\bDate\b/, "the wall clock"],
  [/Math\.random/, "dice"],
  [/\blocaleCompare\b|\bIntl\b|toLocale/, "the host's locale"],
  [/from "node:/, "Node's modules"],
  [/\bfor \((const|let) \w+ in\b/, "for…in"],
  [/\.sort\(\)/, "the default sort, which compares as text"],
];

const UTILITY_NAMES = /(^|\/)(utils?|helpers?|common|misc|shared)\.ts$/;

/** What a folder may import besides itself; the longest matching prefix decides. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "packages/raft/src/": [],
  "packages/protocol/src/": [],
  "packages/client/src/": ["task-queue-protocol", "node:", "uuidv7"],
  "packages/worker/src/": [
    "task-queue-protocol",
    "task-queue-client",
    "node:",
    "pino",
    "yaml",
    "yargs",
  ],
  "packages/admin/src/": [
    "task-queue-protocol",
    "task-queue-client",
    "task-queue-broker/backup",
    "task-queue-worker",
    "node:",
    "yargs",
    "yaml",
    "bcrypt",
  ],
  "packages/testing/src/": [
    "task-queue-broker/testing",
    "task-queue-client",
    "task-queue-worker",
    "node:",
    "uuidv7",
  ],
  "packages/broker/src/queue/": [],
  "packages/broker/src/replica/": ["task-queue-raft", "packages/broker/src/queue/"],
  ...Object.fromEntries(
    ["storage", "transport", "workers", "rest", "grpc"].map((edge) => [
      `packages/broker/src/${edge}/`,
      [
        "task-queue-raft",
        "task-queue-protocol",
        "node:",
        "classic-level",
        "@grpc/",
        "grpc-health-check",
        "fastify",
        "@fastify/",
        "packages/broker/src/ports.ts",
        "packages/broker/src/proto-path.ts",
        "packages/broker/src/queue/",
        "packages/broker/src/operations/",
        "packages/broker/src/observe/",
      ],
    ]),
  ),
  "packages/broker/src/auth/": [
    "task-queue-protocol",
    "node:",
    "packages/broker/src/config/",
    "packages/broker/src/observe/",
    "packages/broker/src/operations/",
  ],
  "packages/broker/src/audit/": [
    "task-queue-protocol",
    "node:",
    "packages/broker/src/backup/restore-note.ts",
    "packages/broker/src/config/config.ts",
    "packages/broker/src/exit-status.ts",
    "packages/broker/src/observe/",
    "packages/broker/src/operations/",
    "packages/broker/src/storage/durable-file.ts",
  ],
  "packages/broker/src/proxy/": [
    "node:",
    "packages/broker/src/config/address.ts",
    "packages/broker/src/observe/",
  ],
  "packages/broker/src/tls/": [
    "node:",
    "@grpc/",
    "packages/broker/src/config/config.ts",
    "packages/broker/src/config/file-secrecy.ts",
    "packages/broker/src/observe/",
    "packages/broker/src/operations/address-group.ts",
    "packages/broker/src/proxy/client-address.ts",
    "packages/broker/src/transport/security.ts",
  ],
  "packages/broker/src/snapshots/": [
    "task-queue-raft",
    "node:",
    "packages/broker/src/ports.ts",
    "packages/broker/src/load-queue.ts",
    "packages/broker/src/queue/",
  ],
  "packages/broker/src/backup/": [
    "task-queue-raft",
    "task-queue-protocol",
    "node:",
    "packages/broker/src/ports.ts",
    "packages/broker/src/exit-status.ts",
    "packages/broker/src/load-queue.ts",
    "packages/broker/src/check-members.ts",
    "packages/broker/src/config/",
    "packages/broker/src/queue/",
    "packages/broker/src/replica/",
    "packages/broker/src/snapshots/",
    "packages/broker/src/storage/",
    "packages/broker/src/operations/",
    "packages/broker/src/observe/",
  ],
  "packages/broker/src/operations/": [
    "task-queue-protocol",
    "node:buffer",
    "node:crypto",
    "uuidv7",
    "packages/broker/src/queue/",
    "packages/broker/src/replica/",
  ],
  "packages/broker/src/config/": [
    "task-queue-protocol",
    "node:",
    "yaml",
    "yargs",
    "packages/broker/src/ports.ts",
    "packages/broker/src/operations/",
    "packages/broker/src/queue/",
    "packages/broker/src/transport/peers.ts",
  ],
};

const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "");
const sources = files.filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith(".d.ts"));
const shipped = sources.filter((file) => /^packages\/[^/]+\/src\//.test(file));

function read(file: string): string {
  return readFileSync(file, "utf8");
}

/** The code without comments and strings' contents do not matter here: comments may name anything. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

function importsOf(file: string): string[] {
  const specifiers = withoutComments(read(file)).matchAll(/(?:from|import)\s+"([^"]+)"/g);
  return [...specifiers].map(([, specifier]) => {
    const name = specifier as string;
    return name.startsWith(".") ? normalize(join(dirname(file), name)) : name;
  });
}

describe("tidy", () => {
  test("files are short", () => {
    const long = sources
      .map((file) => [file, read(file).split("\n").length - 1] as const)
      .filter(([file, lines]) => {
        return lines > (file.endsWith(".test.ts") ? LINES_PER_TEST_MAX : LINES_PER_FILE_MAX);
      });
    expect(long).toEqual([]);
  });

  test("lines are short", () => {
    const long = shipped.flatMap((file) =>
      read(file)
        .split("\n")
        .map((line, at) => [`${file}:${at + 1}`, line.length] as const)
        .filter(([, length]) => length > CHARACTERS_PER_LINE_MAX),
    );
    expect(long).toEqual([]);
  });

  test("each source file says at its top what it is", () => {
    const mute = shipped.filter((file) => !/^(#!.*\n)?\/\*\*/.test(read(file)));
    expect(mute).toEqual([]);
  });

  test("no file is a drawer for odds and ends", () => {
    expect(sources.filter((file) => UTILITY_NAMES.test(file))).toEqual([]);
  });

  test("pure folders stay pure", () => {
    const found = shipped
      .filter((file) => PURE.some((folder) => file.startsWith(folder)))
      .flatMap((file) => {
        const code = withoutComments(read(file));
        return BANNED_IN_PURE.filter(([pattern]) => pattern.test(code)).map(
          ([, what]) => `${file} uses ${what}`,
        );
      });
    expect(found).toEqual([]);
  });

  test("imports point the right way", () => {
    const wrong = shipped.flatMap((file) => {
      const folder = Object.keys(MAY_IMPORT)
        .filter((prefix) => file.startsWith(prefix))
        .sort((a, b) => b.length - a.length)[0];
      if (folder === undefined) return [];
      const allowed = [folder, ...(MAY_IMPORT[folder] ?? [])];
      return importsOf(file)
        .filter((name) => !allowed.some((prefix) => name.startsWith(prefix)))
        .map((name) => `${file} imports ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  test("only main.ts composes the broker", () => {
    const composers = shipped.filter(
      (file) =>
        file.startsWith("packages/broker/src/") &&
        !file.includes("/rest/") &&
        importsOf(file).some((name) => name.startsWith("packages/broker/src/rest/")),
    );
    const composing = /src\/(main|doors|testing\/open-doors)\.ts$/;
    expect(composers.every((file) => composing.test(file))).toBe(true);
  });

  test("nothing is left unfinished", () => {
    const marks = new RegExp(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|"));
    const found = shipped.filter((file) => marks.test(read(file)));
    expect(found).toEqual([]);
  });

  test("no test is skipped or alone", () => {
    const alone = /\b(?:it|test|describe)\.(?:only|todo|skip)\b/;
    const tests = sources.filter((file) => file.endsWith(".test.ts"));
    expect(tests.filter((file) => alone.test(withoutComments(read(file))))).toEqual(
      ["test/tidy.test.ts"].filter((file) => alone.test(withoutComments(read(file)))),
    );
  });

  test("each page of documentation starts with its one title", () => {
    const pages = files.filter((file) => file.endsWith(".md"));
    const wrong = pages.filter((file) => !/^# \S/.test(read(file)));
    expect(wrong).toEqual([]);
  });
});
