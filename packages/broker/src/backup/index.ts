/**
 * What a program without a broker needs in order to keep backups and to look into them. It reads
 * them with the broker's own code: what it calls sound can be restored.
 */
export { SnapshotDamage } from "../snapshots/frame-reader.ts";
export { Archive, type ArchiveFilter } from "./archive.ts";
export { copyBackup, FileExists, readHeader, type Written, writeBackup } from "./file.ts";
export type { BackupHeader } from "./format.ts";
export { KeyFileError, readKeyFile } from "./key-file.ts";
export { seal } from "./seal.ts";
export { type Verified, verifyBackup } from "./verify.ts";
