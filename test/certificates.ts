/**
 * Certificates for tests, made by the openssl of this machine with P-256, which is quick. Each
 * authority has a directory of its own below the one it is given.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** Of the certificate; none: it has a CN alone. */
  readonly names?: readonly string[];
  /** Days from now; by default from yesterday to the day after tomorrow. */
  readonly fromDay?: number;
  readonly toDay?: number;
}

const DAY_MS = 86_400_000;
const EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export class Authority {
  readonly #dir: string;
  #issued = 0;

  constructor(dir: string, name: string) {
    this.#dir = join(dir, name);
    mkdirSync(this.#dir, { recursive: true });
    const files = ["-keyout", this.#path("ca.key"), "-out", this.ca];
    openssl("req", "-x509", ...EC_KEY, ...files, "-days", "2", "-subj", `/CN=${name}`);
    writeFileSync(this.#path("index.txt"), "");
    writeFileSync(this.#path("openssl.conf"), this.#config());
  }

  /** File with its own certificate. */
  get ca(): string {
    return this.#path("ca.crt");
  }

  get caPem(): string {
    return readFileSync(this.ca, "utf8");
  }

  /** A certificate for `CN=commonName` with a key of its own. */
  issue(commonName: string, options: IssueOptions = {}): CertificateFiles {
    const { names = [], fromDay = -1, toDay = 2 } = options;
    const base = this.#path(`${++this.#issued}-${commonName}`);
    const [cert, key, csr] = [`${base}.crt`, `${base}.key`, `${base}.csr`];
    openssl("req", ...EC_KEY, "-keyout", key, "-out", csr, "-subj", `/CN=${commonName}`);
    const extensions = names.length === 0 ? "" : `subjectAltName=${names.join(",")}\n`;
    writeFileSync(`${base}.ext`, `basicConstraints=CA:FALSE\n${extensions}`);
    const dates = ["-startdate", stamp(fromDay), "-enddate", stamp(toDay)];
    const files = ["-in", csr, "-out", cert, "-extfile", `${base}.ext`];
    openssl("ca", "-batch", "-notext", "-config", this.#path("openssl.conf"), ...dates, ...files);
    return { cert, key };
  }

  /** From now on this one is on its lists. */
  revoke({ cert }: CertificateFiles): void {
    openssl("ca", "-config", this.#path("openssl.conf"), "-revoke", cert);
  }

  /** Writes the list of what was revoked, good from then until then. */
  writeList(path: string, toDay = 2, fromDay = -2): void {
    const dates = ["-crl_lastupdate", stamp(fromDay), "-crl_nextupdate", stamp(toDay)];
    openssl("ca", "-config", this.#path("openssl.conf"), "-gencrl", ...dates, "-out", path);
  }

  #path(file: string): string {
    return join(this.#dir, file);
  }

  #config(): string {
    return [
      "[ca]",
      "default_ca = own",
      "[own]",
      `database = ${this.#path("index.txt")}`,
      `new_certs_dir = ${this.#dir}`,
      `certificate = ${this.ca}`,
      `private_key = ${this.#path("ca.key")}`,
      "rand_serial = yes",
      "unique_subject = no",
      "default_md = sha256",
      "policy = any",
      "[any]",
      "commonName = supplied",
      "",
    ].join("\n");
  }
}

/** Throws with what it printed. */
export function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: "pipe" });
}

/** As openssl writes a moment. */
function stamp(day: number): string {
  const iso = new Date(Date.now() + day * DAY_MS).toISOString();
  return `${iso.slice(0, 19).replace(/[-:T]/g, "")}Z`;
}
