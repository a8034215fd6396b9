/**
 * TLS to a broker: what a program may say about it, and what went wrong with it in words that name
 * the way out. The broker's certificate and its name are always checked; nothing turns that off.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { connect, createSecureContext, type PeerCertificate, type TLSSocket } from "node:tls";
import type { Address } from "./address.ts";

export interface TlsOptions {
  /** Authorities to trust, in PEM; default: those that Node trusts. */
  readonly ca?: string | undefined;
  /** Certificate to show, in PEM, for brokers that ask for one; with `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that must be in the broker's certificate; default: the host that is dialled. */
  readonly serverName?: string | undefined;
}

/** Where a command line names the files; an empty text = not given. */
export interface TlsPaths {
  /** TLS with the authorities that Node trusts. */
  readonly tls: boolean;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly serverName: string;
}

/** Undefined = plain text: nothing was said of TLS. Throws with the flag when a file is no use. */
export function readTlsFiles({ tls, ca, cert, key, serverName }: TlsPaths): TlsOptions | undefined {
  if (!tls && ca === "" && cert === "" && key === "" && serverName === "") return undefined;
  const options: TlsOptions = {
    ca: readFile(FLAGS.ca, ca),
    cert: readFile(FLAGS.cert, cert),
    key: readFile(FLAGS.key, key),
    serverName: serverName === "" ? undefined : serverName,
  };
  checkTls(options, FLAGS);
  return options;
}

const FLAGS = { ca: "--tls-ca", cert: "--tls-cert", key: "--tls-key" };
const OPTIONS = { ca: "tls.ca", cert: "tls.cert", key: "tls.key" };

/** Throws, by the names that the caller gave them, when certificates cannot be used as they are. */
export function checkTls({ ca, cert, key }: TlsOptions, names = OPTIONS): void {
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error(`${names.cert} and ${names.key} belong together; give both or none`);
  }
  demandPem(names.ca, ca, "CERTIFICATE");
  demandPem(names.cert, cert, "CERTIFICATE");
  demandPem(names.key, key, "PRIVATE KEY");
  try {
    createSecureContext({ ca, cert, key });
  } catch (cause) {
    const why = (cause as Error).message;
    const words = why.includes("key values mismatch")
      ? `the key in ${names.key} does not belong to the certificate in ${names.cert}`
      : `${names.ca}, ${names.cert} or ${names.key} cannot be used: ${why}`;
    throw new Error(words, { cause });
  }
}

export function openTls({ host, port }: Address, tls: TlsOptions): TLSSocket {
  const { ca, cert, key, serverName } = tls;
  // An address is no name that a server could choose its certificate by (RFC 6066, section 3).
  const name = serverName ?? (isIP(host) === 0 ? host : undefined);
  return connect({
    host,
    port,
    ca,
    cert,
    key,
    minVersion: "TLSv1.2",
    // Said, because a variable of the environment turns off what is not.
    rejectUnauthorized: true,
    ...(name === undefined ? {} : { servername: name }),
  });
}

/** What Node and OpenSSL say, by code or in the text alone, and what to do about it. */
const WORDS: readonly (readonly [said: RegExp, words: string])[] = [
  [/CERT_HAS_EXPIRED/, "its certificate has expired; renew api.tls_cert_path there"],
  [/CERT_NOT_YET_VALID/, "its certificate is not valid yet; is the clock of this machine right?"],
  [
    /wrong version number|packet length too long/,
    "it does not speak TLS on this port; leave the --tls flags away, or give it TLS",
  ],
  [/CERTIFICATE_REQUIRED|certificate required/, "it asks for a certificate: --tls-cert, --tls-key"],
];
const UNKNOWN_AUTHORITY =
  /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_SIGNATURE_|CERT_UNTRUSTED|INVALID_CA)/;
const CLOSED = /^(closed|ECONNRESET)$/;
const FRONT = "or it is a load balancer behind which nobody leads";

/** Somebody was there and hung up. Of the error itself, or of what has caused it. */
export function isClosed(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return CLOSED.test((error as NodeJS.ErrnoException).code ?? "") || isClosed(error.cause);
}

/** The error of a connection that did not come about, with what to do about it. */
export function explainTls(error: NodeJS.ErrnoException, tls: TlsOptions | undefined): string {
  const { code = "", message } = error;
  if (tls === undefined) {
    return isClosed(error) ? `${message}; a broker with TLS does that (--tls), ${FRONT}` : message;
  }
  if (isClosed(error)) {
    const shown = tls.cert === undefined ? "asks for a certificate" : "does not accept ours";
    const why = `it has no TLS, or ${shown} (--tls-cert), as its log says, ${FRONT}`;
    return `closed during the handshake: ${why}`;
  }
  if (UNKNOWN_AUTHORITY.test(code)) {
    const trusted = tls.ca === undefined ? "Node trusts" : "--tls-ca names";
    return `its certificate is of no authority that ${trusted} (${code}); --tls-ca sets others`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return wrongName(error);
  return WORDS.find(([said]) => said.test(`${code} ${message}`))?.[1] ?? message;
}

/** Node gives such an error what it has compared. */
function wrongName(error: Error & { cert?: PeerCertificate; host?: string }): string {
  const { subjectaltname, subject } = error.cert ?? {};
  const held = subjectaltname ?? `CN=${subject?.CN}`;
  return `its certificate is for ${held}, not for ${error.host}; --tls-server-name sets the name`;
}

function readFile(flag: string, path: string): string | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const words = code === "ENOENT" ? `there is no such file: ${path}` : message;
    throw new Error(`${flag}: ${words}`, { cause });
  }
}

function demandPem(flag: string, pem: string | undefined, label: string): void {
  if (pem === undefined || new RegExp(`-----BEGIN ([A-Z]+ )?${label}-----`).test(pem)) return;
  throw new Error(`${flag}: there is no ${label.toLowerCase()} in PEM in it`);
}
