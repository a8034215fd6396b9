/**
 * A member's streams as they come in, one call at a time and by hand: what still arrives on one
 * that was replaced, or has ended, is nobody's word any more.
 */
import { EventEmitter } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { InboundCall } from "../../src/transport/bus-server.ts";
import { encodeForwards } from "../../src/transport/codec.ts";
import type { Doorkeeper } from "../../src/transport/doorkeeper.ts";
import { Inbound } from "../../src/transport/inbound.ts";
import { packFrame, type StreamKind } from "../../src/transport/raft-service.ts";
import { CLUSTER, Journal, Recorder } from "./harness.ts";

function setup() {
  const self = { clusterId: CLUSTER, nodeId: "node2", incarnation: "i2", boot: 1 };
  const listener = new Recorder();
  let boot = 1;
  const hello = { ...self, nodeId: "node1", incarnation: "i1", to: "node2", revision: 0 };
  const admit = () => {
    const said = { ...hello, boot, versionMin: 1, versionMax: 1 };
    return { ok: true, hello: said, welcome: new grpc.Metadata() };
  };
  const doorkeeper = { admit } as unknown as Doorkeeper;
  const log = new Journal();
  const versions = { min: 1, max: 1 };
  const inbound = new Inbound({ self, versions, doorkeeper, listener, log, onArrival: () => {} });
  /** Opens the stream for forwarded writes; `say` has it carry one more. */
  const open = (kind: StreamKind = "forward") => {
    const ends: number[] = [];
    const call = Object.assign(new EventEmitter(), {
      metadata: new grpc.Metadata(),
      getPeer: () => "127.0.0.1:1",
      sendMetadata: () => {},
    });
    inbound.accept(kind, call as unknown as InboundCall, ({ code }) => ends.push(code));
    const say = (requestId: number) => {
      const body = encodeForwards([{ requestId, command: new Uint8Array(1) }]);
      call.emit("data", packFrame([body]));
    };
    return { call, ends, say };
  };
  const restart = () => {
    boot += 1;
  };
  const heard = () => listener.forwards.splice(0).map(({ requestId }) => requestId);
  return { open, restart, heard };
}

test("of a stream and the one that replaces it only the newer one is heard", () => {
  const { open, heard } = setup();
  const first = open();
  first.say(1);
  expect(heard()).toEqual([1]);
  const second = open();
  expect(first.ends).toEqual([grpc.status.ABORTED]);
  first.say(2);
  second.say(3);
  expect(heard()).toEqual([3]);
});

test("nor is a stream of the member's former life, whenever its words arrive", () => {
  const { open, restart, heard } = setup();
  const former = open();
  restart();
  const present = open();
  former.say(1);
  present.say(2);
  former.call.emit("end");
  former.say(3);
  expect(heard()).toEqual([2]);
});

test("and the first stream of a new life ends those of the former one, of whatever kind", () => {
  const { open, restart, heard } = setup();
  const former = open("forward");
  restart();
  open("control");
  expect(former.ends).toEqual([grpc.status.ABORTED]);
  former.say(1);
  expect(heard()).toEqual([]);
});

test("nor one that was cancelled", () => {
  const { open, heard } = setup();
  const { call, say } = open();
  call.emit("cancelled");
  say(1);
  expect(heard()).toEqual([]);
});
