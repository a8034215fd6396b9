/**
 * Where a broker listens, by its own file of settings: `--config FILE`. Only that is read; whether
 * the file is right is the broker's business (`config validate`). `broker.advertise` is for others:
 * who has the file is on the broker's machine, where the address it listens on can be reached.
 */
import { parse } from "yaml";
import { CliError, EXIT } from "./exit-status.ts";
import type { Io } from "./io.ts";

const LOOPBACK = "127.0.0.1";
const PORT = 6379;

/** `host:port`. Throws status 78 where the file does not tell it. */
export function addressInFile(path: string, io: Pick<Io, "readFile">): string {
  const { host = LOOPBACK, port = PORT } = brokerSection(path, io);
  if (typeof host !== "string" || !/^\d{1,5}$/.test(String(port))) throw unusable(path);
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const near = isEverywhere ? LOOPBACK : host;
  return near.includes(":") ? `[${near}]:${port}` : `${near}:${port}`;
}

function brokerSection(
  path: string,
  io: Pick<Io, "readFile">,
): { readonly host?: unknown; readonly port?: unknown } {
  let content: unknown;
  try {
    content = parse(io.readFile(path));
  } catch (cause) {
    throw new CliError(EXIT.config, `--config: ${(cause as Error).message}`, cause);
  }
  const { broker } = mapOf(content, path) as { readonly broker?: unknown };
  return mapOf(broker, path);
}

/** A part that is empty, or commented out, says nothing: defaults are in force. */
function mapOf(part: unknown, path: string): object {
  const map = part ?? {};
  if (typeof map !== "object" || Array.isArray(map)) throw unusable(path);
  return map;
}

function unusable(path: string): CliError {
  const text = `${path} does not say where a broker listens; see tq-admin config validate ${path}`;
  return new CliError(EXIT.config, `--config: ${text}`);
}
