"""A client in another language, which learns the service from the broker itself, by reflection.

Submits a task, watches and waits for it, submits a stream, and is refused; prints what it saw as
JSON. Needs python3-grpcio alone.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "taskqueue.v1.TaskQueue"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
FILE_CONTAINING_SYMBOL = b"\x22"
FILES = 4


def fields_of(data):
    """The length-delimited fields of a message, by number."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        size, at = varint(data, at)
        if key & 7 == 2:
            found.setdefault(key >> 3, []).append(data[at : at + size])
            at += size
    return found


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


class TaskQueue:
    """Every method of the service, as an attribute of this."""

    def __init__(self, channel):
        pool = self.pool = descriptor_pool.DescriptorPool()
        self.factory = message_factory.MessageFactory(pool)
        ask = channel.stream_stream(REFLECTION)
        request = FILE_CONTAINING_SYMBOL + bytes([len(SERVICE)]) + SERVICE.encode()
        answer = next(ask(iter([request])))
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(data)
            for data in fields_of(fields_of(answer)[FILES][0])[1]
        ]
        # What others build on comes first.
        for file in sorted(files, key=lambda file: len(file.dependency)):
            pool.Add(file)
        service = descriptor_pb2.ServiceDescriptorProto()
        pool.FindServiceByName(SERVICE).CopyToProto(service)
        for method in service.method:
            setattr(self, method.name, self.call(channel, method))

    def call(self, channel, method):
        is_stream = (method.client_streaming, method.server_streaming)
        shape = "_".join("stream" if side else "unary" for side in is_stream)
        return getattr(channel, shape)(
            f"/{SERVICE}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.type(method.output_type.lstrip(".")).FromString,
        )

    def message(self, name, **fields):
        return self.type(f"taskqueue.v1.{name}")(**fields)

    def type(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))


def main(address):
    channel = grpc.insecure_channel(address)
    queue = TaskQueue(channel)
    message = queue.message
    watch = queue.WatchTasks(message("WatchTasksRequest", queue="python"))
    next(watch)
    payload = message("Content", data=b'{"to": "you"}')
    task = message("NewTask", type="mail", queue="python", payload=payload, tags=["a", "b"])
    submitted = queue.SubmitTask(message("SubmitTaskRequest", task=task))
    id = submitted.task.id
    wait = queue.type("google.protobuf.Duration")(seconds=40)
    done = queue.GetTask(message("GetTaskRequest", id=id, wait=wait))
    names = queue.pool.FindEnumTypeByName("taskqueue.v1.EventKind").values_by_number
    kinds = []
    while "EVENT_KIND_COMPLETED" not in kinds:
        kinds += [names[event.kind].name for event in next(watch).events]
    watch.cancel()
    requests = (
        message(
            "SubmitStreamRequest",
            sequence=n,
            tasks=[message("NewTask", type="bulk") for _ in range(10)],
        )
        for n in range(100)
    )
    sequences = [answer.sequence for answer in queue.SubmitStream(requests)]
    try:
        queue.GetTask(message("GetTaskRequest", id="nobody"))
        refusal = None
    except grpc.RpcError as error:
        keys = [key for key, _ in error.trailing_metadata()]
        refusal = {"code": error.code().name, "details": "grpc-status-details-bin" in keys}
    print(
        json.dumps(
            {
                "tags": list(done.tags),
                "result": json.loads(done.result.data),
                "kinds": kinds,
                "inOrder": sequences == list(range(100)),
                "refusal": refusal,
            }
        )
    )


main(sys.argv[1])
