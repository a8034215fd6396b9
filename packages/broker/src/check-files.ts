/**
 * The files that settings name, looked at as the start looks at them, for a check without a start:
 * settings that are right are of little use with a certificate that is not there.
 */
import { readKeyFile } from "./backup/key-file.ts";
import type { Config, TlsFiles } from "./config/config.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import { readMaterial, TlsFileError } from "./tls/read-material.ts";

type Checked = Pick<Config, "api" | "monitoring" | "raft" | "backup" | "said">;

/**
 * Answers what a start would go on with all the same. Throws `StartupError` with all that it would
 * not take, a line each.
 */
export async function checkFiles(
  { api, monitoring, raft, backup, said }: Checked,
  nowMs: number,
): Promise<readonly string[]> {
  const sections = new Map<string, TlsFiles>();
  for (const files of [api.tls, monitoring.tls, raft.tls]) {
    if (files !== undefined) sections.set(files.section, files);
  }
  const problems = [...sections.values()].flatMap((files) => faultsOf(files, said, nowMs));
  if (problems.length > 0) throw new StartupError(EXIT.config, problems.join("\n"));
  if (backup?.keyFile === undefined) return [];
  // Only the backup that is due fails for want of it, and so would each after it.
  const fault = await readKeyFile(backup.keyFile).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return fault === undefined ? [] : [`backup.key_file: ${fault}; no backup will be taken`];
}

function faultsOf(files: TlsFiles, said: Config["said"], nowMs: number): string[] {
  try {
    readMaterial(files, nowMs);
    return [];
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    return [error.whereSaid(said)];
  }
}
