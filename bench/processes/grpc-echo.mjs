/** A bare gRPC server: it says again what it was told, without a look at it. */
import * as grpc from "@grpc/grpc-js";
import { ECHO } from "./grpc-echo-method.mjs";
import { serve } from "./serve.mjs";

const server = new grpc.Server();

function listen() {
  server.addService(
    { Echo: ECHO },
    {
      Echo: (/** @type {any} */ call, /** @type {grpc.sendUnaryData<Buffer>} */ callback) =>
        callback(null, call.request),
    },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
}

serve({ connect: () => {}, listen, close: () => server.forceShutdown() });
