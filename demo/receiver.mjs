/** A small web server that receives webhooks and refuses every third one when it first comes. */
import { createServer } from "node:http";

const BODY_BYTES_MAX = 64 * 1024;

const REFUSE_EVERY = 3;

export async function startReceiver() {
  const seen = { delivered: 0, refused: 0 };
  /** Numbers of the webhooks that were refused once; the next try is welcome. */
  const refusedOnce = new Set();
  const server = createServer(async (request, response) => {
    const n = (await readJson(request))?.n;
    if (n % REFUSE_EVERY === 0 && !refusedOnce.delete(n)) {
      refusedOnce.add(n);
      seen.refused++;
      response.writeHead(503).end("busy, try again");
    } else {
      seen.delivered++;
      response.writeHead(204).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/hook`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url, seen, close };
}

async function readJson(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > BODY_BYTES_MAX) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
