/** HAProxy before tq's brokers, with the configuration that tq comes with, on the harness's ports. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon } from "../daemon.mjs";
import { freePorts } from "../ports.mjs";
import { until } from "../until.mjs";

const CONFIG = new URL("../../deploy/haproxy/haproxy.cfg", import.meta.url);
/** Of the brokers in that file. */
const HOSTS = ["10.0.1.10", "10.0.1.11", "10.0.1.12"];

/** Why it cannot be started here; undefined when it can. */
export function haproxyMissing() {
  const { error } = spawnSync("haproxy", ["-v"]);
  return error === undefined ? undefined : `haproxy: ${error.message}`;
}

/** @param {readonly { address: string, rest: string, grpc: string }[]} nodes three brokers */
export async function startHaproxy(nodes) {
  const dir = mkdtempSync(join(tmpdir(), "tq-bench-haproxy-"));
  const [workers = 0, rest = 0, grpc = 0] = await freePorts(3);
  /** @type {Record<string, number>} */
  const binds = { 6379: workers, 8080: rest, 9090: grpc };
  const bound = readFileSync(CONFIG, "utf8").replace(/bind \*:(\d+)/g, (_, port) => {
    return `bind 127.0.0.1:${binds[port]}`;
  });
  const moved = bound.replace(
    /(10\.0\.1\.1\d):(\d+) check(?: port 8080)?/g,
    (_, host, /** @type {string} */ port) => {
      const node = nodes[HOSTS.indexOf(host)];
      const restAddress = new URL(node?.rest ?? "").host;
      const target = port === "6379" ? node?.address : port === "9090" ? node?.grpc : restAddress;
      return `${target} check port ${restAddress.slice(restAddress.indexOf(":") + 1)}`;
    },
  );
  writeFileSync(join(dir, "haproxy.cfg"), moved);
  const args = ["-db", "-f", join(dir, "haproxy.cfg")];
  const daemon = new Daemon({ name: "haproxy", command: "haproxy", args, dir });
  const url = `http://127.0.0.1:${rest}`;
  await until("a way through HAProxy", async () => {
    daemon.demandRunning();
    return (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200;
  });
  return {
    url,
    end: async () => {
      await daemon.end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
