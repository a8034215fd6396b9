/**
 * Reads a certificate, its key and the authorities from their files, and checks all that can be
 * known before the first handshake: what is wrong here would otherwise show as a client's riddle.
 */
import { constants, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Config, TlsFiles } from "../config/config.ts";
import { otherReaders } from "../config/file-secrecy.ts";
import { FILE_BYTES_MAX } from "./limits.ts";
import { type Validity, validityOf } from "./revocation-list.ts";

export interface Material {
  /** For a server and for a client. */
  readonly context: SecureContextOptions;
  /** The bytes of all files, to see whether they have changed. */
  readonly fingerprint: string;
  readonly expiresAtMs: number;
  /** When the lists of revoked certificates are good; undefined = there are none. */
  readonly revocation: Validity | undefined;
  /** What proving that it is ours costs the loop at each handshake depends on this. */
  readonly isRsa: boolean;
}

/** The files cannot be used; the message names setting and file, and says what to do. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
  readonly setting: string;

  constructor(setting: string, message: string, options?: ErrorOptions) {
    super(`${setting}: ${message}`, options);
    this.setting = setting;
  }

  /** With the line of a file, the variable or the flag that named it. */
  whereSaid(said: Config["said"]): string {
    const where = said.get(this.setting)?.where ?? "";
    return where === "" ? this.message : `${where}: ${this.message}`;
  }
}

/** Throws `TlsFileError`. */
export function readMaterial(files: TlsFiles, nowMs: number): Material {
  const certFile = new PemFile(`${files.section}.tls_cert_path`, files.cert);
  const keyFile = new PemFile(`${files.section}.tls_key_path`, files.key);
  const caFile =
    files.ca === undefined ? undefined : new PemFile(`${files.section}.tls_ca_path`, files.ca);
  const crlFile =
    files.crl === undefined ? undefined : new PemFile(`${files.section}.tls_crl_path`, files.crl);
  const certificate = certFile.certificates()[0]!;
  caFile?.certificates();
  certFile.demandValid(certificate, nowMs);
  const lists = crlFile?.revocationLists();
  const revocation = lists && crlFile?.demandCurrent(lists, nowMs);
  const key = keyFile.privateKey();
  keyFile.demandSecrecy();
  if (!certificate.checkPrivateKey(key)) {
    keyFile.fail(`this key does not belong to the certificate in ${files.cert}`);
  }
  const context: SecureContextOptions = {
    cert: certFile.text,
    key: keyFile.text,
    ...(caFile === undefined ? {} : { ca: caFile.text }),
    ...(lists === undefined ? {} : { crl: [...lists] }),
    minVersion: "TLSv1.2",
    honorCipherOrder: true,
    // Who must show a certificate shows it each time: a ticket would outlive it.
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | (caFile === undefined ? 0 : constants.SSL_OP_NO_TICKET),
  };
  try {
    createSecureContext(context);
  } catch (cause) {
    certFile.fail(`OpenSSL refuses it: ${(cause as Error).message}`, cause);
  }
  return {
    context,
    fingerprint: [certFile, keyFile, caFile, crlFile].map((file) => file?.text ?? "").join("\0"),
    revocation,
    expiresAtMs: Date.parse(certificate.validTo),
    isRsa: key.asymmetricKeyType?.startsWith("rsa") ?? false,
  };
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

class PemFile {
  readonly text: string;
  readonly #setting: string;
  readonly #path: string;

  constructor(setting: string, path: string) {
    this.#setting = setting;
    this.#path = path;
    this.text = this.#read();
  }

  fail(why: string, cause?: unknown): never {
    throw new TlsFileError(this.#setting, `${this.#path}: ${why}`, { cause });
  }

  certificates(): readonly X509Certificate[] {
    const blocks = this.#blocks();
    const found = blocks.filter(({ label }) => label === "CERTIFICATE");
    if (found.length === 0) this.fail(`no certificate in it, but ${contents(blocks)}`);
    try {
      return found.map(({ pem }) => new X509Certificate(pem));
    } catch (cause) {
      return this.fail(`not a readable certificate: ${(cause as Error).message}`, cause);
    }
  }

  demandValid({ validFrom, validTo }: X509Certificate, nowMs: number): void {
    if (nowMs > Date.parse(validTo)) this.fail(`expired on ${validTo}; put a new one in its place`);
    if (nowMs < Date.parse(validFrom)) {
      this.fail(`not valid before ${validFrom}; is the clock of this machine right?`);
    }
  }

  /** One by one, since OpenSSL reads no more than the first of a text. */
  revocationLists(): readonly string[] {
    const blocks = this.#blocks();
    const found = blocks.filter(({ label }) => label === "X509 CRL");
    if (found.length > 0) return found.map(({ pem }) => pem);
    const how = "openssl crl -inform DER -in OLD -out NEW makes PEM of DER";
    return this.fail(`no list of revoked certificates in it, but ${contents(blocks)}; ${how}`);
  }

  /** Of all of them together. */
  demandCurrent(lists: readonly string[], nowMs: number): Validity {
    const each = lists.map((pem) => this.#validity(pem));
    const fromMs = Math.min(...each.map((one) => one.fromMs));
    const untilMs = Math.min(...each.map((one) => one.untilMs));
    const latestMs = Math.max(...each.map((one) => one.fromMs));
    if (nowMs < latestMs) {
      const why = `not good before ${new Date(latestMs).toISOString()}`;
      this.fail(`${why}: until then every certificate would be refused; are the clocks right?`);
    }
    if (nowMs <= untilMs) return { fromMs, untilMs };
    const when = new Date(untilMs).toISOString();
    const why = `out of date since ${when}: with it every certificate would be refused`;
    return this.fail(`${why}; put a new one in its place`);
  }

  #validity(pem: string): Validity {
    try {
      return validityOf(Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64"));
    } catch (cause) {
      return this.fail((cause as Error).message, cause);
    }
  }

  privateKey(): KeyObject {
    const blocks = this.#blocks();
    const found = blocks.find(({ label }) => label.endsWith("PRIVATE KEY"));
    if (found === undefined) return this.fail(`no private key in it, but ${contents(blocks)}`);
    if (found.label.startsWith("ENCRYPTED") || found.pem.includes("Proc-Type: 4,ENCRYPTED")) {
      this.fail("the key has a passphrase; openssl pkey -in OLD -out NEW makes one without");
    }
    try {
      return createPrivateKey(found.pem);
    } catch (cause) {
      return this.fail(`not a readable private key: ${(cause as Error).message}`, cause);
    }
  }

  demandSecrecy(): void {
    const who = otherReaders(this.#path);
    if (who !== undefined) this.fail(`${who} can read this key; chmod 600 ${this.#path}`);
  }

  #read(): string {
    try {
      const { size } = statSync(this.#path);
      if (size > FILE_BYTES_MAX) this.fail(`${size} bytes; at most ${FILE_BYTES_MAX} are read`);
      return readFileSync(this.#path, "utf8");
    } catch (cause) {
      if (cause instanceof TlsFileError) throw cause;
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT") this.fail("there is no such file", cause);
      if (code === "EACCES") this.fail("the user of this process may not read it", cause);
      return this.fail(message, cause);
    }
  }

  #blocks(): readonly { readonly label: string; readonly pem: string }[] {
    return [...this.text.matchAll(BLOCK)].map(([pem, label]) => ({ pem, label: label! }));
  }
}

/** Of a file that holds something else than it should. */
function contents(blocks: readonly { readonly label: string }[]): string {
  const labels = [...new Set(blocks.map(({ label }) => label))];
  return labels.length === 0 ? "nothing in PEM" : labels.join(" and ");
}
