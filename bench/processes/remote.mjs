/**
 * A process that submits or works, as the harness sees it. What goes wrong in it, its death included,
 * rejects the calls that wait for it.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export class Remote {
  #child;
  #script;
  #nextId = 1;
  /** @type {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void }>} */
  #calls = new Map();
  #ended;

  /**
   * @param {string} script a file of this folder
   * @param {string} node the binary that runs it
   */
  constructor(script, node) {
    this.#script = script;
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), [], {
      execPath: node,
      // Arrays of samples travel as they are.
      serialization: "advanced",
    });
    this.#child.on("message", (message) => this.#settle(/** @type {any} */ (message)));
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        this.#failAll(new Error(`${script} has ended (${signal ?? `status ${code}`})`));
        resolve(undefined);
      });
    });
    this.#child.once("error", (error) => this.#failAll(error));
  }

  get pid() {
    return this.#child.pid ?? 0;
  }

  /**
   * @param {string} verb
   * @param {object} params
   * @returns {Promise<any>}
   */
  call(verb, params = {}) {
    if (!this.#child.connected) return Promise.reject(new Error(`${this.#script} has ended`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#child.send({ id, verb, params });
    });
  }

  /** Lets it close its connections first; a process that cannot is killed. */
  async end() {
    if (this.#child.connected) {
      const closed = this.call("close").catch(() => {});
      const killer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
      await closed;
      if (this.#child.connected) this.#child.disconnect();
      await this.#ended;
      clearTimeout(killer);
    }
  }

  #settle(/** @type {{ id: number, answer?: any, error?: string }} */ { id, answer, error }) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(answer);
    else call?.reject(new Error(`${this.#script}: ${error}`));
  }

  #failAll(/** @type {Error} */ error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}
