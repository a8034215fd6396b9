/** The TLS of one broker: its certificates, the gate before its listeners, and its bus. */
import type { Server } from "node:net";
import type { Config } from "../config/config.ts";
import type { BusSecurity } from "../transport/security.ts";
import { busTls } from "./bus-tls.ts";
import { Gate } from "./gate.ts";
import { type TlsLogger, TlsMaterial } from "./material.ts";

/** Undefined files: that kind of listener speaks plain text. */
export interface BrokerTlsSettings {
  readonly api: Pick<Config["api"], "tls">;
  readonly monitoring: Pick<Config["monitoring"], "tls">;
  readonly raft: Pick<Config["raft"], "tls">;
}

/** A listener's certificate, for a metric. */
export interface CertificateFigure {
  readonly listener: string;
  readonly secondsLeft: number;
}

/** The doors with a certificate, by the name that the metric has for each. */
const DOORS = {
  worker: { kind: "api", name: "the worker port" },
  rest: { kind: "api", name: "the REST port", protocols: ["http/1.1"] },
  grpc: { kind: "api", name: "the gRPC port", protocols: ["h2"] },
  metrics: { kind: "monitoring", name: "the metrics port", protocols: ["http/1.1"] },
} as const;

export type DoorName = keyof typeof DOORS;

export class BrokerTls {
  readonly #gate: Gate;
  readonly #materials = new Map<string, TlsMaterial>();
  readonly #secured = new Map<string, TlsMaterial>();
  readonly #settings: BrokerTlsSettings;
  /** Undefined: the bus is plain text. */
  readonly bus: BusSecurity | undefined;

  /** Throws `TlsFileError` when certificates cannot be used. */
  constructor(settings: BrokerTlsSettings, log: TlsLogger) {
    this.#settings = settings;
    this.#gate = new Gate(log);
    const { api, monitoring, raft } = settings;
    try {
      for (const files of [api.tls, monitoring.tls, raft.tls]) {
        if (files === undefined || this.#materials.has(files.section)) continue;
        this.#materials.set(files.section, new TlsMaterial({ files, log }));
      }
    } catch (error) {
      this.#closeAll();
      throw error;
    }
    if (raft.tls === undefined) return;
    const material = this.#materials.get(raft.tls.section)!;
    this.#secured.set("bus", material);
    const { serverName } = raft.tls;
    this.bus = busTls({ gate: this.#gate, material, serverName });
  }

  /** Puts the gate before a listener, if the settings say so. Before that, nothing may listen. */
  guard(server: Server, door: DoorName): void {
    const { kind, ...options } = DOORS[door];
    const files = this.#settings[kind].tls;
    if (files === undefined) return;
    const material = this.#materials.get(files.section)!;
    this.#secured.set(door, material);
    this.#gate.guard(server, { ...options, material });
  }

  /** One for each listener with TLS. */
  get certificates(): readonly CertificateFigure[] {
    return [...this.#secured].map(([listener, { secondsLeft }]) => ({ listener, secondsLeft }));
  }

  /** Likewise, where there are lists of revoked certificates. */
  get revocationLists(): readonly CertificateFigure[] {
    return [...this.#secured].flatMap(([listener, { listSecondsLeft: secondsLeft }]) => {
      return secondsLeft === undefined ? [] : [{ listener, secondsLeft }];
    });
  }

  async close(): Promise<void> {
    this.#closeAll();
  }

  #closeAll(): void {
    this.#gate.close();
    for (const material of this.#materials.values()) material.close();
  }
}
