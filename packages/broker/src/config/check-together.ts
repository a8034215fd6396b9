/** Rules between settings: each value is allowed by itself, and yet they do not go together. */
import { BUS_PORT_OFFSET } from "../ports.ts";
import { PeerSyntaxError, parsePeer } from "../transport/peers.ts";
import { isHostName, isWildcard, parseNetwork } from "./address.ts";
import type { Collector } from "./collect.ts";
import { isClustered } from "./is-clustered.ts";
import { openListeners } from "./open-listeners.ts";
import { KEYS, type Settings } from "./schema.ts";

/** A follower must miss several heartbeats before it doubts its leader. */
const HEARTBEATS_PER_ELECTION_MIN = 5;
const PORT_MAX = 65_535;

export function checkTogether(settings: Settings, collector: Collector): void {
  checkSecurity(settings, collector);
  checkTls(settings, collector);
  checkHosts(settings, collector);
  checkPorts(settings, collector);
  checkCluster(settings, collector);
  checkBackup(settings, collector);
  const { concurrency, pool_size: poolSize } = settings.worker;
  if (poolSize === undefined || poolSize === concurrency) return;
  if (!collector.said.has("worker.concurrency")) return;
  const text = `a synonym of worker.concurrency, which says ${concurrency}; keep one of the two`;
  complain(collector, "worker.pool_size", text);
}

function checkTls({ api, monitoring, raft }: Settings, collector: Collector): void {
  for (const [key, isOn] of [
    ["api.enable_tls", api.enable_tls],
    ["monitoring.enable_tls", monitoring.enable_tls],
  ] as const) {
    if (!isOn || (api.tls_cert_path !== undefined && api.tls_key_path !== undefined)) continue;
    const missing = api.tls_cert_path === undefined ? "api.tls_cert_path" : "api.tls_key_path";
    complain(collector, key, `it needs ${missing}; set it to the path of a PEM file`);
  }
  if (api.tls_crl_path !== undefined && api.tls_ca_path === undefined) {
    const text = "only who must show a certificate can have one that was revoked";
    complain(collector, "api.tls_crl_path", `${text}; set api.tls_ca_path too`);
  }
  const files = ["tls_cert_path", "tls_key_path", "tls_ca_path"] as const;
  const missing = files.find((name) => raft[name] === undefined);
  const given = [...files, "tls_server_name" as const, "tls_crl_path" as const].find(
    (name) => raft[name] !== undefined,
  );
  if (given === undefined || missing === undefined) return;
  complain(collector, `raft.${given}`, `TLS between brokers needs raft.${missing} too`);
}

function checkHosts({ api }: Settings, collector: Collector): void {
  const foreign = api.proxy_protocol_from.find((text) => parseNetwork(text) === undefined);
  if (foreign !== undefined) {
    const forms = "give addresses, or networks such as 10.0.0.0/8";
    complain(collector, "api.proxy_protocol_from", `"${foreign}" is neither; ${forms}`);
  }
  const wrong = api.allowed_hosts?.find((name) => !isHostName(name));
  if (wrong === undefined) return;
  const how = 'give names without scheme and port, or "*" for any; addresses need none';
  const text = `"${wrong}" is no name; ${how}`;
  complain(collector, "api.allowed_hosts", text);
}

function checkSecurity(settings: Settings, collector: Collector): void {
  const { auth, monitoring, security } = settings;
  // Keys that are wrong are told of already, and are not none.
  const hasWrongKeys = collector.problems.some(({ key }) => key === "auth.api_keys");
  if (auth.enabled && auth.api_keys.length === 0 && !hasWrongKeys) {
    const text = "nobody could get in: there are no keys; tq-admin keys hash makes one";
    complain(collector, "auth.enabled", `${text} for auth.api_keys`);
  }
  if (monitoring.require_auth && !auth.enabled) {
    const text = "there are no keys to ask for while auth.enabled is false";
    complain(collector, "monitoring.require_auth", text);
  }
  const mayNobodySign = auth.api_keys.every((each) => each.signingSecretFile === undefined);
  if (auth.signing_required && (!auth.enabled || mayNobodySign)) {
    const lack = auth.enabled ? "no key of auth.api_keys has a" : "auth.enabled is false; set a";
    complain(collector, "auth.signing_required", `nobody could sign: ${lack} signing_secret_file`);
  }
  if (auth.default_burst !== undefined && auth.default_rate_per_second === undefined) {
    const text = "it belongs to auth.default_rate_per_second, which is not set";
    complain(collector, "auth.default_burst", text);
  }
  if (!security.require) return;
  for (const { name, key, host, lacks } of openListeners(settings)) {
    const text = `${name} would listen on ${host} without ${lacks}, and security.require is true`;
    complain(collector, key, `${text}; provide that, or listen on 127.0.0.1`);
  }
}

function checkPorts({ broker, api, raft, monitoring }: Settings, collector: Collector): void {
  if (broker.port > PORT_MAX - BUS_PORT_OFFSET && raft.port === undefined) {
    const rule = `the bus would be on port ${broker.port + BUS_PORT_OFFSET}`;
    const text = `${rule}; set raft.port, or a port up to ${PORT_MAX - BUS_PORT_OFFSET}`;
    complain(collector, "broker.port", text);
  }
  const ports: (readonly [string, number])[] = [
    ["broker.port", broker.port],
    ["api.rest_port", api.rest_port],
  ];
  if (raft.port !== undefined || isClustered(raft)) {
    ports.push(["raft.port", raft.port ?? broker.port + BUS_PORT_OFFSET]);
  }
  // A default that is taken is done without.
  if (collector.said.has("api.grpc_port")) ports.push(["api.grpc_port", api.grpc_port]);
  if (collector.said.has("monitoring.prometheus_port")) {
    ports.push(["monitoring.prometheus_port", monitoring.prometheus_port]);
  }
  for (const [index, [key, port]] of ports.entries()) {
    const earlier = ports.slice(0, index).find(([, other]) => other === port && port !== 0);
    if (earlier !== undefined) complain(collector, key, `port ${port} is also ${earlier[0]}`);
  }
}

/** Who says how, but not where, believes that backups are taken. */
function checkBackup({ backup }: Settings, collector: Collector): void {
  if (backup.directory !== undefined) return;
  for (const [name, value] of Object.entries(backup)) {
    if (value === KEYS.get(`backup.${name}`)?.default) continue;
    const text = "no backups are taken without backup.directory; set it, or remove this";
    complain(collector, `backup.${name}`, text);
  }
}

function checkCluster({ broker, raft }: Settings, collector: Collector): void {
  if (raft.election_timeout_ms < HEARTBEATS_PER_ELECTION_MIN * raft.heartbeat_interval_ms) {
    const least = HEARTBEATS_PER_ELECTION_MIN * raft.heartbeat_interval_ms;
    const why = `${HEARTBEATS_PER_ELECTION_MIN} times raft.heartbeat_interval_ms`;
    const key = "raft.election_timeout_ms";
    complain(collector, key, `${raft.election_timeout_ms} is less than ${least}, ${why}`);
  }
  const unreadable = raft.peers.map(peerTrouble).find((trouble) => trouble !== undefined);
  if (unreadable !== undefined) complain(collector, "raft.peers", unreadable);
  const repeated = raft.peers.find((peer, index) => raft.peers.indexOf(peer) !== index);
  if (repeated !== undefined) complain(collector, "raft.peers", `"${repeated}" stands there twice`);
  if (raft.enabled === false && raft.peers.length > 0) {
    const text = "peers are given, but raft.enabled is false; set it to true, or remove the peers";
    complain(collector, "raft.peers", text);
  }
  if (!isClustered(raft)) return;
  if (isWildcard(broker.host) && broker.advertise === undefined) {
    const text = `peers cannot dial ${broker.host}; set broker.advertise to this node's address`;
    complain(collector, "broker.host", text);
  }
  if (broker.port === 0) {
    complain(collector, "broker.port", "0 takes a free port, which peers could not know");
  }
}

function peerTrouble(text: string): string | undefined {
  try {
    parsePeer(text);
    return undefined;
  } catch (error) {
    if (error instanceof PeerSyntaxError) return error.message;
    throw error;
  }
}

function complain(collector: Collector, key: string, message: string): void {
  collector.complain(collector.whereOf(key), key, message);
}
