/** What only tq is put through: leadership handed over, a member's disk lost, its figures read. */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "task-queue-client";
import { Daemon } from "../daemon.mjs";
import { until } from "../until.mjs";

const run = promisify(execFile);
/** Long beyond the goal of a minute: a slow machine should get a figure, not an error. */
const REPLACE_MINUTES = 10;

/**
 * @typedef {import("./tq.mjs").BrokerNode} BrokerNode
 * @param {{
 *   root: string,
 *   node: string,
 *   nodes: readonly BrokerNode[],
 *   daemons: readonly Daemon[],
 * }} cluster `root`: of the repository; `node`: the binary
 */
export function operationsOf({ root, node: binary, nodes, daemons }) {
  const nodeOf = (/** @type {string} */ id) => {
    const found = nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`there is no ${id}`);
    return found;
  };
  const daemonOf = (/** @type {string} */ id) => daemons[nodes.indexOf(nodeOf(id))];
  return {
    /** Opens what hands leadership over, so that no start of a program is in what is measured. */
    async openOperator() {
      const operator = connect({ servers: nodes.map(({ address }) => address) });
      await operator.members.status();
      return {
        transfer: () => operator.members.transferLeadership(),
        close: () => operator.close(),
      };
    },

    /** Kills it and removes all that it had stored. */
    async wipe(/** @type {string} */ id) {
      await daemonOf(id)?.crash();
      rmSync(nodeOf(id).dataDir, { recursive: true });
    },

    /** Starts a wiped member; resolves when it votes again, has caught up and serves. */
    async comeBack(/** @type {string} */ id) {
      const { address, rest } = nodeOf(id);
      daemonOf(id)?.start();
      const others = nodes.filter((node) => node.id !== id).map((node) => node.address);
      const program = join(root, "packages/admin/bin/tq-admin.js");
      const change = ["members", "replace", `${id}@${address}`, "--promote", "--yes"];
      const args = [...change, "--timeout", `${REPLACE_MINUTES}m`];
      await run(binary, [program, "--broker-addr", others.join(","), ...args]);
      const serves = async () => (await fetch(`${rest}/readyz`)).status === 200;
      await until("the wiped broker serves", serves, { pollMs: 20 });
    },

    /** A figure of one broker, without labels; those of the event loop begin anew with each look. */
    async metric(/** @type {string} */ id, /** @type {string} */ name) {
      const answer = await fetch(`http://127.0.0.1:${nodeOf(id).metricsPort}/metrics`);
      const lines = (await answer.text()).split("\n");
      const line = lines.find((each) => each.startsWith(`${name} `));
      if (line === undefined) throw new Error(`${id} has no metric called ${name}`);
      return Number(line.slice(name.length + 1));
    },
  };
}
