/**
 * Mutual TLS between brokers. Both ends show a certificate of the cluster's own authority, checked
 * in the handshake. Whom a certificate speaks for is checked as soon as its holder says who it is:
 * its names (or its CN, where it has none) must hold the node's id, or the one name that all nodes
 * share.
 */
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from "node:tls";
import * as grpc from "@grpc/grpc-js";
import type { BusSecurity } from "../transport/security.ts";
import type { Gate } from "./gate.ts";
import type { TlsMaterial } from "./material.ts";

export interface BusTlsOptions {
  readonly gate: Gate;
  readonly material: TlsMaterial;
  /** The name that the certificates of all nodes have; undefined = each has its node's id. */
  readonly serverName: string | undefined;
}

export function busTls({ gate, material, serverName }: BusTlsOptions): BusSecurity {
  let context: SecureContext;
  material.follow((current) => {
    context = createSecureContext(current.context);
  });
  const refusal = (certificate: PeerCertificate | undefined, nodeId: string) => {
    if (certificate === undefined) return `${nodeId} has shown no certificate`;
    const names = [nodeId, ...(serverName === undefined ? [] : [serverName])];
    const isOne = names.some((name) => checkServerIdentity(name, certificate) === undefined);
    if (isOne) return undefined;
    const held = certificate.subjectaltname ?? `CN ${certificate.subject?.CN ?? "(none)"}`;
    const wanted = names.join(" or ");
    return `a certificate for ${held} does not speak for ${wanted} (raft.tls_server_name)`;
  };
  return {
    guard: (server) => {
      gate.guard(server, { name: "the bus port", material, protocols: ["h2"] });
    },
    refusal,
    credentialsFor: (nodeId) => {
      return grpc.credentials.createFromSecureContext(context, {
        // Said, because a variable of the environment turns off what is not.
        rejectUnauthorized: true,
        checkServerIdentity: (_host, certificate) => {
          // Who is there is not known before it has answered.
          const words = nodeId === undefined ? undefined : refusal(certificate, nodeId);
          return words === undefined ? undefined : new Error(words);
        },
      });
    },
  };
}
