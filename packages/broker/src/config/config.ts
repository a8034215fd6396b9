/**
 * What a broker runs with: every setting resolved, in units that the name states. Made by
 * `loadConfig` alone, so whoever holds one may rely on every check having passed.
 */
import type { RetryPolicy } from "../queue/index.ts";
import type { ApiKey, KeySettings } from "./api-keys.ts";

export interface Config {
  /** The file that was read; undefined = none. */
  readonly file: string | undefined;
  /** For this start: the data directory is a copy, and an operator vouches for it. */
  readonly acceptRestoredData: boolean;
  /** For this start: a backup to begin a new cluster from. */
  readonly restore: { readonly file: string; readonly keyFile: string | undefined } | undefined;
  /** Nothing is to be started: the settings were to be checked, and they are good. */
  readonly checkOnly: boolean;
  readonly broker: {
    readonly host: string;
    readonly port: number;
    /** `host:port` under which workers, clients and peers reach this node. */
    readonly advertise: string;
    readonly maxConnections: number;
    readonly maxConnectionsPerAddress: number;
    /** 0 = no limit. */
    readonly queueDepthThreshold: number;
    readonly maxPayloadBytes: number;
  };
  readonly persistence: {
    /** Absolute. */
    readonly dataDir: string;
    readonly walSyncIntervalMs: number;
    readonly writeBufferBytes: number;
    /** Of the disk with `dataDir`; 0 = not watched. */
    readonly minFreeDiskBytes: number;
    /** Of completed, cancelled and expired tasks whose queue says nothing; 0 = for ever. */
    readonly finishedRetentionMs: number;
  };
  readonly raft: {
    readonly enabled: boolean;
    readonly nodeId: string;
    /** As written; empty unless enabled. */
    readonly peers: readonly string[];
    /** Of the bus. */
    readonly port: number;
    readonly heartbeatIntervalMs: number;
    readonly electionTimeoutMs: number;
    /** Entries kept in the log behind the flushed state. */
    readonly snapshotEntries: number;
    /** The highest leads. */
    readonly priority: number;
    /** Of the bus; undefined = plain text. */
    readonly tls: BusTlsFiles | undefined;
  };
  readonly api: {
    readonly host: string;
    readonly restPort: number;
    /** Addresses and networks of load balancers that speak the PROXY protocol. */
    readonly proxyProtocolFrom: readonly string[];
    /** Names that REST answers to, without ports; undefined = any. */
    readonly allowedHosts: readonly string[] | undefined;
    /** Of every door but metrics; undefined = plain text. */
    readonly tls: TlsFiles | undefined;
    readonly grpcPort: number;
  };
  readonly auth: {
    /** Does every door ask for a key? */
    readonly enabled: boolean;
    readonly keys: readonly ApiKey[];
    /** Of keys that the cluster keeps; those of `keys` without one of their own have it too. */
    readonly defaultRate: KeySettings["defaultRate"];
    /** Of requests to REST. */
    readonly signing: { readonly required: boolean; readonly windowMs: number };
  };
  /** Some listener can be reached from other machines, and lacks keys or TLS. */
  readonly isOpenToOthers: boolean;
  readonly monitoring: {
    /** Of metrics. */
    readonly host: string;
    readonly prometheusPort: number;
    readonly tls: TlsFiles | undefined;
    readonly logLevel: LogLevel;
    /** undefined = standard output. */
    readonly logFile: string | undefined;
    /** Does the metrics port ask for a key? */
    readonly requireAuth: boolean;
  };
  readonly worker: {
    /** How often workers are asked to beat. */
    readonly heartbeatIntervalMs: number;
    readonly leaseTimeoutMs: number;
  };
  /** undefined: none are taken unless somebody asks. */
  readonly backup:
    | {
        /** Absolute. */
        readonly directory: string;
        readonly intervalMs: number;
        readonly keep: number;
        readonly keyFile: string | undefined;
      }
    | undefined;
  /** undefined: no audit log is kept. */
  readonly audit:
    | {
        /** Absolute. */
        readonly file: string;
        readonly maxBytes: number;
        readonly keep: number;
      }
    | undefined;
  readonly retry: RetryPolicy;
  /** By task type; what one leaves open is as `retry` says. */
  readonly retryOfTypes: ReadonlyMap<string, Partial<RetryPolicy>>;
  /** Said once in the log at start, a line each: keys without effect, open doors. */
  readonly notices: readonly Notice[];
  /** Every setting that was said somewhere, by its key. */
  readonly said: ReadonlyMap<string, Said>;
}

/** Absolute paths of PEM files. */
export interface TlsFiles {
  /** Of the settings that name them. */
  readonly section: "api" | "raft";
  readonly cert: string;
  readonly key: string;
  /** Whoever connects must have a certificate of one of these; undefined = nobody is asked. */
  readonly ca: string | undefined;
  /** Of certificates that were revoked; undefined = nobody looks. */
  readonly crl?: string | undefined;
}

export interface BusTlsFiles extends TlsFiles {
  /** The name that the certificates of all nodes have; undefined = each has its node's id. */
  readonly serverName: string | undefined;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** A setting as it would stand in a file, and where it was said: `config.yaml:7`. */
export interface Said {
  readonly value: string;
  readonly where: string;
}

export interface Notice {
  readonly level: "info" | "warn";
  readonly text: string;
}
