/** Why a port cannot be had, and which setting moves it. */

/** Where a door wanted to listen, and what moves it. */
export interface Listening {
  /** For a person: "REST". */
  readonly door: string;
  readonly host: string;
  readonly port: number;
  readonly hostSetting: string;
  readonly portSetting: string;
  /** Other ways to say the latter: "--rest-port, TQ_API__REST_PORT". */
  readonly or: string;
}

export function listenError(cause: NodeJS.ErrnoException, listening: Listening): Error {
  return new Error(`${listening.door}: ${whyNot(cause, listening)}`, { cause });
}

function whyNot({ code, message }: NodeJS.ErrnoException, listening: Listening): string {
  const { host, port, hostSetting, portSetting, or } = listening;
  switch (code) {
    case "EADDRINUSE":
      return (
        `port ${port} on ${host} is in use; end what listens there, ` +
        `or set ${portSetting} (${or})`
      );
    case "EACCES":
      return `no permission to listen on port ${port}; set ${portSetting} to one above 1023`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is no address of this machine; set ${hostSetting}`;
    default:
      return `cannot listen on ${host}:${port}: ${message}`;
  }
}
