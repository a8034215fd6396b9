/** What makes the bus more than plain text; made elsewhere, from certificates. */
import type { Server } from "node:net";
import type { PeerCertificate } from "node:tls";
import type * as grpc from "@grpc/grpc-js";
import type { NodeId } from "task-queue-raft";

export interface BusSecurity {
  /** From now on the listener hands on encrypted connections, of peers with a good certificate. */
  guard(server: Server): void;
  /** For a connection to `peer`; undefined: to whoever is there, if its certificate is good. */
  credentialsFor(peer: NodeId | undefined): grpc.ChannelCredentials;
  /** Why this certificate does not speak for that node; undefined: it does. */
  refusal(certificate: PeerCertificate | undefined, peer: NodeId): string | undefined;
}
