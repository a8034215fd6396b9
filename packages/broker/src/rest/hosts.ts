/**
 * Against web pages that make a visitor's browser ask in their name. A page whose name was pointed
 * at this machine (DNS rebinding) asks for that name, so requests for names that are not the
 * broker's are turned away; a page of another site tells its own name as Origin, so where nobody
 * needs a key it may change nothing. Addresses cannot be pointed elsewhere. Probes say nothing and
 * change nothing, and ask by any name.
 */
import { isIP } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { TqError } from "task-queue-protocol";
import { Throttle } from "../observe/throttle.ts";
import { OPEN_ACCESS } from "../operations/access.ts";
import type { RestContext } from "./context.ts";
import { isProbe } from "./probes.ts";
import { HttpRefusal } from "./problem.ts";
import { addressOf } from "./request-parts.ts";

const HARMLESS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const MISDIRECTED = 421;
const NAME_LENGTH_MAX = 200;

/** Must be called before whatever acts on a request. */
export function checkHosts(app: FastifyInstance, context: RestContext): void {
  const names = context.hosts && new Set(context.hosts.map((name) => name.toLowerCase()));
  const throttle = new Throttle();
  app.addHook("onRequest", async (request) => {
    if (isProbe(request.routeOptions.url)) return;
    const refusal = refusalOf(request, names, context.access === OPEN_ACCESS);
    if (refusal === undefined) return;
    const address = addressOf(request);
    if (throttle.allows(address)) context.logger.warn({ address }, `REST: ${refusal.message}`);
    throw refusal;
  });
}

function refusalOf(
  { headers: { host, origin }, method }: FastifyRequest,
  names: ReadonlySet<string> | undefined,
  isOpen: boolean,
): TqError | undefined {
  // Without a host it is no browser that asks.
  if (names !== undefined && host !== undefined && !isKnown(host, names)) {
    const shown = JSON.stringify(host.slice(0, NAME_LENGTH_MAX));
    const why = `${shown} is not known as a name of this broker; if it is one, `;
    return new HttpRefusal(MISDIRECTED, "invalid_request", `${why}add it to api.allowed_hosts`);
  }
  if (!isOpen || origin === undefined || HARMLESS.has(method)) return undefined;
  if (isSameOrigin(origin, host)) return undefined;
  const shown = JSON.stringify(origin.slice(0, NAME_LENGTH_MAX));
  const why = `a web page of ${shown} may change nothing here, where no key is asked for`;
  return new TqError("permission_denied", `${why} (auth.enabled)`);
}

function isKnown(host: string, names: ReadonlySet<string>): boolean {
  const name = host
    .replace(/:\d*$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();
  return isIP(name) !== 0 || names.has(name);
}

/** As browsers judge it, but for the scheme, which a load balancer may change on the way. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: page } = new URL(origin);
  const asked = `${protocol}//${host}`;
  return page !== "" && URL.canParse(asked) && new URL(asked).host === page;
}
