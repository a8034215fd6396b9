/**
 * What may be done to a cluster, each deed with all that it needs. Whom it hits is said in a way
 * that makes sense whatever state the cluster is in by then: the leader, or a share of the way
 * through the nodes.
 */
import type { Damage } from "./disk-damage.ts";
import type { Label } from "./disk-steps.ts";

/** The leader if there is one and `leader` says so, otherwise the node at this share, 0 to 1. */
export interface Aim {
  readonly leader: boolean;
  readonly share: number;
}

export type FaultDeed =
  | { readonly kind: "crash"; readonly aim: Aim; readonly power: boolean; readonly downMs: number }
  | { readonly kind: "powerLoss"; readonly downMs: readonly number[] }
  /** Crashes a node during its next step of a label. */
  | {
      readonly kind: "ambush";
      readonly aim: Aim;
      readonly label: Label;
      readonly survives: boolean;
      readonly moment: number;
      readonly downMs: number;
    }
  /** The next leader is lost shortly after its election. */
  | {
      readonly kind: "shortOffice";
      readonly afterMs: number;
      readonly crash: boolean;
      readonly mask: number;
      readonly downMs: number;
    }
  | {
      readonly kind: "partition";
      readonly aim: Aim;
      /** Which of the others, by bits. */
      readonly mask: number;
      readonly deaf: boolean;
      readonly mute: boolean;
      readonly ms: number;
    }
  | { readonly kind: "reset"; readonly aim: Aim; readonly other: number; readonly both: boolean }
  | { readonly kind: "clog"; readonly aim: Aim; readonly other: number; readonly ms: number }
  | { readonly kind: "freeze"; readonly aim: Aim; readonly ms: number }
  | { readonly kind: "diskStall"; readonly aim: Aim; readonly ms: number }
  | { readonly kind: "wallJump"; readonly aim: Aim; readonly ms: number }
  | { readonly kind: "strobe"; readonly aim: Aim; readonly ms: number; readonly periodMs: number }
  | { readonly kind: "drift"; readonly aim: Aim; readonly factor: number; readonly ms: number }
  | { readonly kind: "sigterm"; readonly aim: Aim; readonly downMs: number }
  | { readonly kind: "transfer"; readonly to: number | undefined }
  | { readonly kind: "member"; readonly procedure: Procedure; readonly share: number }
  | { readonly kind: "revive"; readonly share: number }
  | DiskDeed
  /** See `OfficeRelay`. */
  | { readonly kind: "relay"; readonly share: number; readonly afterMs: number }
  /** A node is started with another binary. */
  | {
      readonly kind: "roll";
      readonly share: number;
      readonly to: number;
      readonly downMs: number;
    }
  | { readonly kind: "raise"; readonly to: number };

export type DiskDeed =
  | { readonly kind: "slowDisk"; readonly aim: Aim; readonly factor: number; readonly ms: number }
  | {
      readonly kind: "hang";
      readonly aim: Aim;
      readonly lane: "log" | "state" | "both";
      readonly ms: number;
    }
  /** The disks of these nodes, by bits, are nearly full for a while. */
  | { readonly kind: "lowDisk"; readonly mask: number; readonly ms: number }
  | { readonly kind: "image"; readonly aim: Aim }
  | {
      readonly kind: "damage";
      readonly aim: Aim;
      readonly what: Damage;
      /** Where, 0 to 1. */
      readonly share: number;
      readonly power: boolean;
      readonly downMs: number;
    }
  | {
      readonly kind: "rot";
      readonly aim: Aim;
      readonly what: "entry" | "record";
      readonly share: number;
    }
  /** More disks than a quorum can spare. */
  | { readonly kind: "beyond"; readonly whats: readonly Damage[]; readonly share: number };

/** What an operator does about members, in several steps. */
export type Procedure = "grow" | "learn" | "shrink" | "removeLeader" | "replace" | "replaceDead";

export interface Fault {
  /** Its name in a list of what to keep. */
  readonly id: number;
  readonly at: number;
  readonly deed: FaultDeed;
}
