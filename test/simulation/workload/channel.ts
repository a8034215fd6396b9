/** A worker's connection, as the node at its other end sees it. */
import type { SessionOutput } from "../../../packages/broker/src/replica/index.ts";

export interface Channel {
  told(output: SessionOutput): void;
  /** The node died, or no longer leads. */
  closed(): void;
}
