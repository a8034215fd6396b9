/**
 * The attacks of a drill, each as many connections as it needs, dialled anew when the broker has ended
 * them. They come from an address that is not the application's, as a stranger's do.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import {
  callHeaders,
  DATA,
  END_HEADERS,
  frame,
  HEADERS,
  number,
  OPENING,
  RST_STREAM,
} from "../../packages/broker/test/grpc/raw-http2.ts";

/** Of the broker that is attacked. */
export interface Doors {
  readonly port: number;
  readonly restPort: number;
  readonly grpcPort: number;
}

export interface Attack {
  readonly name: string;
  /** What it returns ends it, and says how many connections it has made. */
  begin(doors: Doors): () => number;
}

/** What one connection does from when it is there until the broker or the drill ends it. */
type Act = (socket: Socket) => (() => void) | undefined;

const STRANGER = "127.0.0.9";
const REDIAL_MS = 10;
const DRIP_MS = 1_000;

/** So many connections at a time to a port, each of which acts. */
function crowd(port: number, size: number, act: Act, sources = 1): () => number {
  const open = new Set<Socket>();
  let made = 0;
  let isOver = false;
  const dial = (): void => {
    if (isOver) return;
    const localAddress = sources === 1 ? STRANGER : `127.1.0.${1 + (made % sources)}`;
    made++;
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    open.add(socket);
    let stop: (() => void) | undefined;
    socket.once("connect", () => {
      stop = act(socket);
    });
    socket.on("data", () => undefined).on("error", () => undefined);
    socket.once("close", () => {
      stop?.();
      open.delete(socket);
      setTimeout(dial, REDIAL_MS);
    });
  };
  for (let i = 0; i < size; i++) dial();
  return () => {
    isOver = true;
    for (const socket of open) socket.destroy();
    return made;
  };
}

/** Sends it again and again, as fast as it is taken. */
function pour(begin: Buffer, again: () => Buffer): Act {
  return (socket) => {
    socket.write(begin);
    const more = (): void => {
      for (;;) if (socket.destroyed || !socket.write(again())) return;
    };
    socket.on("drain", more);
    more();
    return undefined;
  };
}

/** Sends the beginning, and then a byte from time to time. */
function drip(begin: string): Act {
  return (socket) => {
    socket.write(begin);
    const timer = setInterval(() => socket.write("x"), DRIP_MS);
    return () => clearInterval(timer);
  };
}

const MESSAGE_BYTES = 60_000;

const CALL = callHeaders("SubmitTask");

/** A hundred calls with the first bytes of a message of which the end never comes. */
const bomb: Act = (socket) => {
  socket.write(OPENING);
  const announced = Buffer.concat([Buffer.from([0, 0, 0x10, 0, 0]), Buffer.alloc(16_000)]);
  for (let at = 0; at < 100; at++) {
    socket.write(frame(HEADERS, END_HEADERS, 2 * at + 1, CALL));
    for (let sent = 0; sent < MESSAGE_BYTES; sent += 16_000) {
      socket.write(frame(DATA, 0, 2 * at + 1, announced.subarray(sent === 0 ? 0 : 5)));
    }
  }
  return undefined;
};

function resets(): Act {
  let stream = -1;
  return pour(OPENING, () => {
    stream += 2;
    const cancel = frame(RST_STREAM, 0, stream, number(8));
    return Buffer.concat([frame(HEADERS, END_HEADERS, stream, CALL), cancel]);
  });
}

const JSON_HEAD = "POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
const SLOW_POST = `${JSON_HEAD}Content-Length: 1000\r\n\r\n{`;
const NOISE = randomBytes(65_536);
const HEADER_LINE = Buffer.from(`X: ${"y".repeat(1_000)}\r\n`);

/** On doors of plain text. */
export const PLAIN: readonly Attack[] = [
  {
    name: "noise at the worker port",
    begin: ({ port }) =>
      crowd(
        port,
        16,
        pour(NOISE, () => NOISE),
      ),
  },
  {
    name: "frames at the worker port that never end",
    begin: ({ port }) => crowd(port, 200, drip("\0\0\x03\xe8\x01")),
  },
  {
    name: "requests that never end",
    begin: ({ restPort }) => crowd(restPort, 200, drip(SLOW_POST)),
  },
  {
    name: "headers without end",
    begin: ({ restPort }) => {
      const begin = Buffer.from("GET /healthz HTTP/1.1\r\nHost: x\r\n");
      return crowd(
        restPort,
        16,
        pour(begin, () => HEADER_LINE),
      );
    },
  },
  {
    name: "calls whose messages never end",
    begin: ({ grpcPort }) => crowd(grpcPort, 20, bomb),
  },
  {
    name: "calls that are taken back at once",
    begin: ({ grpcPort }) => crowd(grpcPort, 4, (socket) => resets()(socket)),
  },
];

/** The beginning of a ClientHello that announces 512 bytes. */
const HELLO = "\x16\x03\x01\x02\x00\x01";

/** On doors with TLS. */
export const HANDSHAKES: readonly Attack[] = [
  {
    name: "connections that say nothing, of one address",
    begin: ({ restPort }) => crowd(restPort, 500, () => undefined),
  },
  {
    name: "half a hello each, of a hundred addresses",
    begin: ({ port }) => crowd(port, 500, drip(HELLO), 100),
  },
];

export const ATTACKS: readonly Attack[] = [...PLAIN, ...HANDSHAKES];
