/**
 * The REST interface as a fastify application, without a listener. Routes translate and nothing
 * else; what they have in common (bodies, errors, headers, limits) is here.
 */
import Fastify, {
  type FastifyInstance,
  type FastifyPluginCallback,
  type FastifyReply,
} from "fastify";
import { OPEN_ACCESS } from "../operations/access.ts";
import { answered } from "./answered.ts";
import { auditRequests } from "./audit.ts";
import { authenticate } from "./authenticate.ts";
import type { RestContext } from "./context.ts";
import { answerBrokenRequest, answerError, whichRequest } from "./errors.ts";
import { toJsonText } from "./exact-reply.ts";
import { checkHosts } from "./hosts.ts";
import { acceptJson } from "./json-body.ts";
import { KnownRoutes, WrongMethod } from "./known-routes.ts";
import {
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  PATH_PART_LENGTH_MAX,
  REQUEST_TIMEOUT_MS,
  TIMEOUT_CHECK_MS,
  taskBodyBytesMax,
} from "./limits.ts";
import { closeLostResponses } from "./lost-responses.ts";
import { PREFIX } from "./prefix.ts";
import { chooseRequestId, REQUEST_ID } from "./request-id.ts";
import { APPLIED_INDEX } from "./request-parts.ts";
import { deadRoutes } from "./routes/dead.ts";
import { errorPageRoutes } from "./routes/error-pages.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { keyRoutes } from "./routes/keys.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { ApiRoutes, openApiRoutes } from "./routes/openapi.ts";
import { overviewRoutes } from "./routes/overview.ts";
import { queueRoutes } from "./routes/queues.ts";
import { taskRoutes } from "./routes/tasks.ts";

const PREFIXES = [PREFIX, ""];

const WRITES: ReadonlySet<string> = new Set(["POST", "PUT", "DELETE"]);

export function buildRestApp(context: RestContext): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: taskBodyBytesMax(context.settings.maxPayloadBytes),
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    routerOptions: { maxParamLength: PATH_PART_LENGTH_MAX, ignoreTrailingSlash: true },
    forceCloseConnections: "idle",
    // While it closes it still serves what comes in on open connections, and then ends them.
    return503OnClosing: false,
    genReqId: chooseRequestId,
    frameworkErrors: (error, request, reply) => {
      answerError(context.logger, error, request, withHeaders(context, reply));
    },
    clientErrorHandler: (error, socket) => {
      answerBrokenRequest(
        context.access === OPEN_ACCESS ? context.broker : undefined,
        error,
        socket,
      );
    },
  });
  closeLostResponses(app.server);
  const known = new KnownRoutes(app);
  const described = new ApiRoutes(app, PREFIX);
  acceptJson(app);
  app.setReplySerializer(toJsonText);
  if (context.audit !== undefined) auditRequests(app, context.audit);
  addCommonHeaders(app, context);
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof WrongMethod) reply.header("allow", error.allow);
    return answerError(context.logger, error, request, reply);
  });
  checkHosts(app, context);
  // Thrown before the body is read: a path that does not exist needs no parsing of what it was
  // sent.
  app.addHook("onRequest", (request, _reply, done) => {
    if (request.is404) throw known.refusal(request);
    done();
  });
  authenticate(app, context.access);
  app.setNotFoundHandler((request) => {
    throw known.refusal(request);
  });
  for (const prefix of PREFIXES) {
    const plugin: FastifyPluginCallback = (scope, _options, done) => {
      addRoutes(scope, context);
      openApiRoutes(scope, described);
      done();
    };
    app.register(plugin, { prefix });
  }
  return app;
}

function addRoutes(app: FastifyInstance, context: RestContext): void {
  taskRoutes(app, context);
  deadRoutes(app, context);
  queueRoutes(app, context);
  jobRoutes(app, context);
  keyRoutes(app, context);
  overviewRoutes(app, context);
  eventRoutes(app, context);
  healthRoutes(app, context);
  metricsRoutes(app, context);
  errorPageRoutes(app);
}

function addCommonHeaders(app: FastifyInstance, context: RestContext): void {
  app.addHook("onSend", (request, reply, _payload, done) => {
    withHeaders(context, reply);
    if (WRITES.has(request.method) && !isStranger(context, reply)) {
      reply.header("x-tq-durability", context.broker.durability);
    }
    done();
  });
  app.addHook("onResponse", (request, reply, done) => {
    const { statusCode: status, elapsedTime: ms } = reply;
    context.countRequest?.(answered(request, reply));
    context.logger.debug(
      { ...whichRequest(request), status, ms: Math.round(ms) },
      "a request was answered",
    );
    done();
  });
}

function withHeaders(context: RestContext, reply: FastifyReply): FastifyReply {
  if (!isStranger(context, reply)) {
    const { broker } = context;
    if (!reply.hasHeader(APPLIED_INDEX)) reply.header(APPLIED_INDEX, broker.applied);
    reply.header("x-tq-node", broker.nodeId);
  }
  return reply
    .header(REQUEST_ID, reply.request.id)
    .header("cache-control", "no-store")
    .header("x-content-type-options", "nosniff");
}

/** Who has shown no valid key where one is asked for is told nothing of the cluster. */
function isStranger({ access }: RestContext, { request }: FastifyReply): boolean {
  return access !== OPEN_ACCESS && request.caller === undefined;
}
