/** The audit log as the settings want it, and what the process itself has to say in it. */
import { type RestoreNote, readRestoreNote } from "../backup/restore-note.ts";
import type { Config } from "../config/config.ts";
import { EXIT, StartupError } from "../exit-status.ts";
import { type Audit, type Deed, NO_AUDIT } from "../operations/audit.ts";
import { AuditLog } from "./log.ts";

export interface OpenAudit extends Audit {
  close(): Promise<void>;
}

interface Surroundings {
  readonly config: Pick<Config, "audit" | "raft">;
  readonly log: { error(fields: object, text: string): void };
}

/** The data directory must be there. Throws `StartupError`. */
export async function openAudit({ config, log }: Surroundings): Promise<OpenAudit> {
  const { audit, raft } = config;
  if (audit === undefined) return { ...NO_AUDIT, close: async () => undefined };
  const { file: path, maxBytes, keep } = audit;
  try {
    return await AuditLog.open({ path, maxBytes, keep, node: raft.nodeId, log, wallMs: Date.now });
  } catch (cause) {
    const fix = "give it to the user that runs tq-broker, or set audit.file or audit.enabled";
    const text = `the audit log ${path} cannot be opened: ${(cause as Error).message}; ${fix}`;
    throw new StartupError(EXIT.cannotCreate, text, { cause });
  }
}

/** Of the process: `start`, `stop`, `restore`, `reload`. */
export function processDeed(verb: string, more: Partial<Deed> = {}): Deed {
  return { who: "", from: "", door: "process", verb, target: "", outcome: "ok", ...more };
}

/** A start, and what it has begun with. `before`: whether it was a restored one already. */
export async function noteStart(
  audit: Audit,
  { config, version }: { readonly config: Config; readonly version: string },
  before: RestoreNote | undefined,
): Promise<void> {
  const { restore, persistence } = config;
  if (restore !== undefined && before?.phase !== "done") {
    const note = await readRestoreNote(persistence.dataDir);
    const detail = note && `of cluster ${note.from}`;
    await audit.action(processDeed("restore", { target: note?.snapshotId ?? "", detail }));
  }
  await audit.action(processDeed("start", { target: version }));
}
