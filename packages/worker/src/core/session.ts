/**
 * Who this worker is to the brokers: a session id and the secret that proves it, minted here and
 * kept over any number of connections, so that running tasks survive the loss of one. A session
 * that the brokers have ended is never used again: `renew` makes another.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { SECRET_BYTES } from "task-queue-protocol";

export class Session {
  #id = randomUUID();
  #secret: Uint8Array = randomBytes(SECRET_BYTES);

  get id(): string {
    return this.#id;
  }

  get secret(): Uint8Array {
    return this.#secret;
  }

  renew(): void {
    this.#id = randomUUID();
    this.#secret = randomBytes(SECRET_BYTES);
  }
}
