/** The routes with which load balancers and supervisors ask how a node is. */
const PROBE = /^(\/api\/v1)?\/(health|healthz|readyz|leader)$/;

/** `route`: its pattern, with either prefix. */
export function isProbe(route: string | undefined): boolean {
  return PROBE.test(route ?? "");
}
