/** A log that can be read, with a listener that ends with its test. */
import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TlsLogger } from "../../src/tls/material.ts";

export class TlsJournal implements TlsLogger {
  readonly lines: string[] = [];

  debug(_fields: object, text: string): void {
    this.lines.push(`debug ${text}`);
  }

  info(_fields: object, text: string): void {
    this.lines.push(`info ${text}`);
  }

  warn(_fields: object, text: string): void {
    this.lines.push(`warn ${text}`);
  }

  error(_fields: object, text: string): void {
    this.lines.push(`error ${text}`);
  }

  said(words: string): Promise<void> {
    return until(() => this.lines.some((line) => line.includes(words)));
  }
}

/** Waits for a condition; the test's own timeout is the only limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

export async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
