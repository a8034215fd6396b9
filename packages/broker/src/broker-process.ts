/**
 * The lives of one broker process. Usually it has one. When a start finds that this node has lost
 * what it promised, or the others find that while it runs, that life ends, the node gives itself
 * up, and the next life begins as a new incarnation: no service manager has to start it again.
 */
import { KeyAccess } from "./auth/key-access.ts";
import { type BrokerLife, type BrokerLifeOptions, runBroker } from "./broker-life.ts";
import type { KeySettings } from "./config/api-keys.ts";
import { OPEN_ACCESS } from "./operations/access.ts";
import { beginRecovery } from "./recovery/begin.ts";
import { LostData, lostDataIn } from "./recovery/lost-data.ts";

export interface BrokerProcess {
  /** Whom the doors let in from now on, those included who are in; nothing while keys are off. */
  replaceKeys(keys: KeySettings): void;
  /** Hands over, lets work under way finish, closes everything, keeps everything. */
  stop(): Promise<void>;
}

export type BrokerProcessOptions = Omit<BrokerLifeOptions, "onRolledBack" | "access">;

/** A disk that damages one directory after the other is of no use. */
const STARTS_MAX = 3;

/** Resolves when every door is open; whatever goes wrong before that closes what was opened. */
export async function startBroker(options: BrokerProcessOptions): Promise<BrokerProcess> {
  const lives = new Lives(options);
  await lives.begin();
  return lives;
}

class Lives implements BrokerProcess {
  readonly #options: BrokerProcessOptions;
  /** Undefined where nobody is asked for a key. One for all lives: keys may have been replaced. */
  readonly #keys: KeyAccess | undefined;
  #current: BrokerLife | undefined;
  #restarting: Promise<void> | undefined;
  /** Why the life that is just beginning must end. */
  #rolledBack: string | undefined;
  #mayAccept: boolean;
  #stopping = false;

  constructor(options: BrokerProcessOptions) {
    this.#options = options;
    const { auth } = options.config;
    if (auth.enabled) this.#keys = new KeyAccess({ ...auth, log: options.log });
    this.#mayAccept = options.acceptRestored ?? false;
  }

  async begin(): Promise<void> {
    for (let starts = 1; ; starts++) {
      try {
        this.#current = await runBroker({
          ...this.#options,
          access: this.#keys ?? OPEN_ACCESS,
          acceptRestored: this.#takeAcceptance(),
          onRolledBack: (reason) => this.#onRolledBack(reason),
        });
        break;
      } catch (error) {
        const lost = lostDataIn(error, this.#options.config.persistence.dataDir);
        if (lost === undefined || starts === STARTS_MAX) throw error;
        await this.#giveUp(lost);
      }
    }
    if (this.#rolledBack !== undefined) this.#restart(this.#rolledBack);
  }

  replaceKeys(keys: KeySettings): void {
    this.#keys?.replace(keys);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#restarting;
    await this.#current?.stop();
    await this.#keys?.close();
  }

  #onRolledBack(reason: string): void {
    if (this.#rolledBack !== undefined) return;
    this.#rolledBack = reason;
    if (this.#current !== undefined) this.#restart(reason);
  }

  #restart(reason: string): void {
    if (this.#stopping || this.#restarting !== undefined) return;
    const { signal, onFatal } = this.#options;
    this.#restarting = this.#beginAnew(reason)
      .catch((error) => {
        // A signal has called it off.
        if (!signal.aborted || error !== signal.reason) onFatal("cannot go on", error);
      })
      .finally(() => {
        this.#restarting = undefined;
        if (this.#rolledBack !== undefined) this.#restart(this.#rolledBack);
      });
  }

  /** What an operator vouches for is what was there at the start, and only once. */
  #takeAcceptance(): boolean {
    const may = this.#mayAccept;
    this.#mayAccept = false;
    return may;
  }

  async #beginAnew(reason: string): Promise<void> {
    const life = this.#current;
    this.#current = undefined;
    await life?.close();
    this.#rolledBack = undefined;
    const { dataDir } = this.#options.config.persistence;
    await this.#giveUp(new LostData(dataDir, reason, { isWhole: false }));
    await this.begin();
  }

  async #giveUp(lost: LostData): Promise<void> {
    const { config, log } = this.#options;
    await beginRecovery({ config, lost, log, wallMs: Date.now() });
  }
}
