/**
 * Which listeners other machines can reach although they lack keys or encryption: each is worth a
 * warning, and with `security.require` none is allowed.
 */
import { isLoopback } from "./address.ts";
import { isClustered } from "./is-clustered.ts";
import type { Settings } from "./schema.ts";

export interface OpenListener {
  /** For a person. */
  readonly name: string;
  /** The setting that says where it listens. */
  readonly key: string;
  readonly host: string;
  /** What would close it, for a person: "API keys and TLS". */
  readonly lacks: string;
}

export function openListeners(settings: Settings): OpenListener[] {
  const { broker, api, auth, monitoring, raft } = settings;
  const lacks = lacking(auth.enabled, api.enable_tls);
  const listeners = [
    { name: "the worker port", key: "broker.host", host: broker.host, lacks },
    { name: "REST and gRPC", key: "api.host", host: api.host ?? broker.host, lacks },
    {
      name: "metrics",
      key: "monitoring.host",
      host: monitoring.host ?? broker.host,
      lacks: lacking(monitoring.require_auth, monitoring.enable_tls),
    },
  ];
  if (isClustered(raft) && raft.tls_cert_path === undefined) {
    const bus = { name: "the bus between brokers", key: "broker.host", host: broker.host };
    listeners.push({ ...bus, lacks: "mutual TLS" });
  }
  return listeners.filter((each) => each.lacks !== "" && !isLoopback(each.host));
}

/** One line of the log for all of them: those that lack the same are named together. */
export function openText(open: readonly OpenListener[]): string {
  const groups = new Map<string, string[]>();
  for (const { name, host, lacks } of open) {
    const where = `on ${host} without ${lacks}`;
    groups.set(where, [...(groups.get(where) ?? []), name]);
  }
  const parts = [...groups].map(([where, names]) => `${names.join(", ")} can be reached ${where}`);
  const them = open.length === 1 ? "it" : "them";
  return `${parts.join("; ")}: let only trusted machines reach ${them}`;
}

function lacking(hasKeys: boolean, hasTls: boolean): string {
  return [hasKeys ? "" : "API keys", hasTls ? "" : "TLS"]
    .filter((each) => each !== "")
    .join(" and ");
}
