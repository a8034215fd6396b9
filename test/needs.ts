/**
 * Tests that need a tool of the machine ask for it here: `needs("strace")("name", ...)`. Without
 * the tool they are skipped with a reason that is printed, never silently; under CI=true a missing
 * tool is a failure, because a check that never runs is no check.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";

/**
 * `strace`: may inject errors into system calls. `mount`: root, and loop-mounted ext4 images. `jq`:
 * with the shell, xargs and curl, as in the guides. `htpasswd`: Apache's, with bcrypt. `openssl`:
 * with curl. `python3-grpcio`: with Debian's own Python, and so is `python3`.
 */
export type Tool =
  | "strace"
  | "mount"
  | "jq"
  | "haproxy"
  | "htpasswd"
  | "openssl"
  | "python3"
  | "python3-grpcio";

/** Vitest's `test`, or its skipping variant. */
export function needs(tool: Tool): typeof test | typeof test.skip {
  const reason = missing(tool);
  if (reason === undefined) {
    return test;
  }
  if (process.env["CI"] === "true") {
    throw new Error(`this test needs ${tool}: ${reason}`);
  }
  process.stderr.write(`\nSKIPPED, needs ${tool}: ${reason}\n`);
  return test.skip;
}

const answers = new Map<Tool, string | undefined>();

/** Why the tool cannot be used, or undefined. Tries it out: present is not enough. */
function missing(tool: Tool): string | undefined {
  if (!answers.has(tool)) {
    answers.set(tool, TRIES[tool]());
  }
  return answers.get(tool);
}

const PYTHON = "/usr/bin/python3";

const TRIES: Readonly<Record<Tool, () => string | undefined>> = {
  strace: tryStrace,
  mount: tryMount,
  haproxy: () => failure("haproxy", ["-v"]),
  htpasswd: () => failure("htpasswd", ["-nbBC", "4", "", "key"]),
  openssl: () => failure("openssl", ["version"]) ?? failure("curl", ["--version"]),
  python3: () => failure(PYTHON, ["--version"]),
  "python3-grpcio": () => failure(PYTHON, ["-c", "import grpc"]),
  jq: () => failure("jq", ["--version"]) ?? failure("curl", ["--version"]),
};

function tryStrace(): string | undefined {
  const injected = ["-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=1", "true"];
  return failure("strace", injected);
}

function tryMount(): string | undefined {
  if (process.getuid?.() !== 0) {
    return "only root may mount";
  }
  const directory = mkdtempSync(join(tmpdir(), "tq-needs-"));
  const image = join(directory, "image");
  const mounted = join(directory, "mounted");
  mkdirSync(mounted);
  try {
    return (
      failure("truncate", ["-s", "2M", image]) ??
      failure("mkfs.ext4", ["-q", "-F", image]) ??
      failure("mount", ["-o", "loop", image, mounted]) ??
      failure("umount", [mounted])
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function failure(command: string, args: readonly string[]): string | undefined {
  const { error, status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) {
    return error.message;
  }
  return status === 0 ? undefined : `${command} exited with ${status}: ${stderr.trim()}`;
}
