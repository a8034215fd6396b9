/** `tq-admin audit verify FILE`: reads a copy of an audit log to its end, without a broker. */
import { AuditCheck } from "../../audit-check.ts";
import type { Context } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { text } from "../../values.ts";

const HASH = /^[0-9a-f]{64}$/;

export async function verifyCopy({ args, io, out }: Context): Promise<number> {
  const path = text(args, "file");
  if (path === undefined) throw new CliError(EXIT.usage, "which file? tq-admin audit verify FILE");
  const expected = text(args, "expect");
  if (expected !== undefined && !HASH.test(expected)) {
    throw new CliError(EXIT.usage, "--expect: a hash has 64 hex digits in lower case");
  }
  const content = read(path, io);
  const isWhole = content.endsWith("\n");
  const check = new AuditCheck(expected);
  const lines = (isWhole ? content.slice(0, -1) : content).split("\n");
  for (const line of content === "" ? [] : lines) if (!check.take(line)) break;
  const { fault, ...found } = check.finish(isWhole || content === "");
  if (fault !== undefined) throw new CliError(EXIT.data, `${path}: ${fault}`);
  const message = `whole: ${found.lines} lines follow one another`;
  out.item({ ...found, message }, () => [
    ["verdict", message],
    ["numbers", `${found.first} to ${found.last}`],
    ["cut off by crashes", String(found.torn)],
    ["last hash", found.hash],
  ]);
  return EXIT.ok;
}

function read(path: string, io: Context["io"]): string {
  try {
    return io.readFile(path);
  } catch (cause) {
    throw new CliError(EXIT.notFound, (cause as Error).message, cause);
  }
}
