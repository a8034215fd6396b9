/**
 * What server reflection tells of. The loader knows the messages of each package as one file, but
 * writes into none what it imports, and without that no client can make anything of it.
 */
import type { PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { DEFINITIONS, SERVICE_NAME } from "./service.ts";

/** Field 3 of a FileDescriptorProto. */
const DEPENDENCY_TAG = 0x1a;
/** By the loader's own naming: the file of a package. */
const IMPORTED = Buffer.from("google_protobuf.proto");
const DEPENDENCY = Buffer.concat([Buffer.from([DEPENDENCY_TAG, IMPORTED.length]), IMPORTED]);

export function reflection(): ReflectionService {
  return new ReflectionService(withImports(DEFINITIONS), { services: [SERVICE_NAME] });
}

/** Two encoded messages in a row are one message with the fields of both. */
function withImports(definitions: PackageDefinition): PackageDefinition {
  const entries = Object.entries(definitions).map(([name, definition]) => {
    const files = definition.fileDescriptorProtos as Buffer[] | undefined;
    const fileDescriptorProtos = files?.map((file) => {
      return file.includes(IMPORTED) ? file : Buffer.concat([file, DEPENDENCY]);
    });
    return [name, { ...definition, fileDescriptorProtos }] as const;
  });
  return Object.fromEntries(entries) as PackageDefinition;
}
