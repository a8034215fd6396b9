/**
 * Where a broker listens and with which TLS, by its own file of settings: `--config FILE`. Only
 * that is read; whether the file is right is the broker's business (`config validate`).
 * `broker.advertise` is for others: who has the file is on the broker's machine, where the address
 * it listens on can be reached.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { parse } from "yaml";
import { CliError, EXIT, unread } from "./exit-status.ts";
import type { Io } from "./io.ts";

const LOOPBACK = "127.0.0.1";
const PORT = 6379;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface BrokerFile {
  /** `host:port`. */
  readonly address: string;
  /** undefined: the broker speaks plain text. */
  readonly tls: FileTls | undefined;
}

/** Files are read when they are asked about: a flag that says the same spares them. */
export interface FileTls {
  /**
   * The file with the authority of its certificate; undefined: one that Node trusts, or none.
   * Throws status 78 where the files cannot be read.
   */
  ca(): string | undefined;
  /**
   * A name in its certificate, where `address` is none; for that address only. undefined, too, when
   * it cannot be read: then the address has to do.
   */
  serverName(): string | undefined;
}

type Section = Readonly<Record<string, unknown>>;
type Reading = Pick<Io, "readFile">;

/** Throws status 78 where the file does not tell it. */
export function readBrokerFile(path: string, io: Reading): BrokerFile {
  const content = contentOf(path, io);
  const { host = LOOPBACK, port = PORT } = sectionOf(content, "broker", path);
  if (typeof host !== "string" || !/^\d{1,5}$/.test(String(port))) throw unusable(path);
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const near = isEverywhere ? LOOPBACK : host;
  const address = near.includes(":") ? `[${near}]:${port}` : `${near}:${port}`;
  return { address, tls: tlsOf(sectionOf(content, "api", path), near, io) };
}

function tlsOf(api: Section, host: string, io: Reading): FileTls | undefined {
  // As brokers read it.
  if (!/^(true|1)$/i.test(String(api["enable_tls"]))) return undefined;
  return { ca: () => authorityIn(api, io), serverName: () => nameIn(api, host, io) };
}

/** The authorities at hand are those of whoever connects: often, but not always, its own. */
function authorityIn({ tls_cert_path: own, tls_ca_path: ca }: Section, io: Reading) {
  const top = certificatesIn(own, io).at(-1);
  const issuer = [ca, own].find((file) =>
    certificatesIn(file, io).some((it) => top?.checkIssued(it)),
  );
  return issuer as string | undefined;
}

function nameIn({ tls_cert_path: own }: Section, host: string, io: Reading): string | undefined {
  try {
    const [leaf] = certificatesIn(own, io);
    return leaf && nameFor(host, leaf);
  } catch {
    return undefined;
  }
}

/** The names of a certificate as Node lists them: `DNS:a.example, IP Address:10.0.0.1`. */
function nameFor(host: string, certificate: X509Certificate): string | undefined {
  const isNamed = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (isNamed !== undefined) return undefined;
  const listed = /DNS:([^,*\s]+)/.exec(certificate.subjectAltName ?? "")?.[1];
  return listed ?? /^CN=(.+)$/m.exec(certificate.subject)?.[1];
}

function certificatesIn(path: unknown, io: Reading): X509Certificate[] {
  if (typeof path !== "string") return [];
  try {
    return (io.readFile(path).match(PEM) ?? []).map((pem) => new X509Certificate(pem));
  } catch (cause) {
    throw unread("--config", path, cause, EXIT.config);
  }
}

function contentOf(path: string, io: Reading): unknown {
  let text: string;
  try {
    text = io.readFile(path);
  } catch (cause) {
    throw unread("--config", path, cause, EXIT.config);
  }
  try {
    return parse(text);
  } catch (cause) {
    throw new CliError(EXIT.config, `--config: ${(cause as Error).message}`, cause);
  }
}

/** A part that is empty, or commented out, says nothing: defaults are in force. */
function sectionOf(content: unknown, name: string, path: string): Section {
  return mapOf(mapOf(content, path)[name], path);
}

function mapOf(part: unknown, path: string): Section {
  const map = part ?? {};
  if (typeof map !== "object" || Array.isArray(map)) throw unusable(path);
  return map as Section;
}

function unusable(path: string): CliError {
  const text = `${path} does not say where a broker listens; see tq-admin config validate ${path}`;
  return new CliError(EXIT.config, `--config: ${text}`);
}
