/** Keys of the configuration with a thread that compares by name alone, and counts. */
import { KeyAccess } from "../../src/auth/key-access.ts";
import { PERMISSIONS } from "../../src/operations/permissions.ts";

/** One key for each permission, named like it. */
export const ROLES = PERMISSIONS;

export class FakeThread {
  /** Every comparison: the key, and the hash without its mark. */
  readonly compared: string[] = [];
  /** How many are under way, and how many there were at most. */
  open = 0;
  openMax = 0;
  closed = false;
  fault: Error | undefined;
  /** While it is set, comparisons wait. */
  #gate: Promise<void> | undefined;
  #release = () => {};

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#gate = undefined;
    this.#release();
  }

  async compare(key: string, hash: string): Promise<boolean> {
    this.compared.push(`${key}~${hash.slice(1)}`);
    this.openMax = Math.max(this.openMax, ++this.open);
    await this.#gate;
    this.open--;
    if (this.fault !== undefined) throw this.fault;
    return hash === `#${key}`;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export class Ring {
  readonly thread = new FakeThread();
  readonly lines: string[] = [];
  now = 1_000_000;
  readonly access: KeyAccess;

  constructor() {
    this.access = new KeyAccess({
      keys: ROLES.map((role) => ({ name: role, hash: `#${role}`, permissions: [role] })),
      log: { warn: (fields, text) => this.lines.push(`${JSON.stringify(fields)} ${text}`) },
      now: () => this.now,
      thread: this.thread,
    });
  }

  /** The caller's name, or the code of the refusal. */
  async ask(key: string | undefined, address = "10.0.0.1"): Promise<string> {
    try {
      return (await this.access.identify(key, address)).name;
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  }
}
