/** `tq-admin audit verify FILE`: reads a copy of an audit log to its end, without a broker. */
import { AuditCheck } from "../../audit-check.ts";
import type { Context } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { text } from "../../values.ts";

const LINE_END = 0x0a;
const HASH = /^[0-9a-f]{64}$/;

export async function verifyCopy({ args, io, out }: Context): Promise<number> {
  const path = text(args, "file");
  if (path === undefined) throw new CliError(EXIT.usage, "which file? tq-admin audit verify FILE");
  const expected = text(args, "expect");
  if (expected !== undefined && !HASH.test(expected)) {
    throw new CliError(EXIT.usage, "--expect: a hash has 64 hex digits in lower case");
  }
  const content = read(path, io);
  const isWhole = content.length === 0 || content.at(-1) === LINE_END;
  const check = new AuditCheck(expected);
  for (const line of linesOf(content)) if (!check.take(line.toString(), line)) break;
  const { fault, ...found } = check.finish(isWhole);
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

/** Without their ends; the last one may have none. */
function* linesOf(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; ) {
    const found = content.indexOf(LINE_END, at);
    const end = found < 0 ? content.length : found;
    yield content.subarray(at, end);
    at = end + 1;
  }
}

function read(path: string, io: Context["io"]): Buffer {
  try {
    return io.readBytes(path);
  } catch (cause) {
    throw new CliError(EXIT.notFound, (cause as Error).message, cause);
  }
}
