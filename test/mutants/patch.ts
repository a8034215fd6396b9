/** Edits in the words of the folder that they are about. */
import type { Edit } from "./mutant.ts";

export type Patch = (file: string, find: string, replace: string) => Edit;

/** `folder`: relative to the root of the repository. */
export function patchIn(folder: string): Patch {
  return (file, find, replace) => ({ file: `${folder}/${file}`, find, replace });
}
