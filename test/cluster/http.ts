/**
 * One HTTP request and its answer, for tests that must know how it ended: an answer, or none. Every
 * request has a connection of its own, so that one broker's death never spoils another's request,
 * and an end whatever happens.
 */
import { request } from "node:http";
import { request as requestSecurely } from "node:https";

export interface Asked {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly limitMs?: number;
  /** For https: whom to trust, in PEM, and the name to expect. */
  readonly tls?: { readonly ca: string; readonly servername: string } | undefined;
  readonly apiKey?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The entry up to which the broker that answered had applied; 0 when it did not say. */
  readonly appliedIndex: number;
}

const ANSWER_MS = 5_000;

/** Rejects when there is no whole answer: refused, broken off, or too late. */
export function ask(url: string, asked: Asked = {}): Promise<Answer> {
  const { method = "GET", headers = {}, body, limitMs = ANSWER_MS, tls, apiKey } = asked;
  const send = tls === undefined ? request : requestSecurely;
  const bytes = body === undefined ? undefined : JSON.stringify(body);
  const type = bytes === undefined ? {} : { "content-type": "application/json" };
  const key = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  return new Promise((resolve, reject) => {
    const sent = send(
      url,
      { ...tls, method, agent: false, headers: { ...type, ...key, ...headers } },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => {
          const appliedIndex = Number(response.headers["x-tq-applied-index"] ?? 0);
          resolve({ status: response.statusCode ?? 0, text, appliedIndex });
        });
        response.on("error", reject);
      },
    );
    const deadline = setTimeout(() => {
      sent.destroy(new Error(`${url} did not answer within ${limitMs} ms`));
    }, limitMs);
    sent.on("close", () => clearTimeout(deadline));
    sent.on("error", reject);
    sent.end(bytes);
  });
}
