/** The key that a client shows: a text, or whatever a function gives at each dial. */
import { expect, test } from "vitest";
import { Ring } from "../../broker/test/auth/key-ring.ts";
import { client, openOne, openProxy, until } from "./harness.ts";

test("a function is asked anew at each dial, so that a key can be replaced", async () => {
  const { port } = await openOne({ access: new Ring().access });
  const proxy = await openProxy(port);
  const keys = ["submit_tasks", "admin"];
  let asked = 0;
  const made = client({ servers: proxy.address, apiKey: async () => keys[asked++] ?? "" });
  await made.submit("t", 1);
  await expect(made.cluster()).rejects.toMatchObject({ code: "permission_denied" });
  proxy.cut();
  await until(() => asked === 2);
  expect(await made.cluster()).toMatchObject({ node_id: "n1" });
});

test("a function that fails is a try in vain, and not the last", async () => {
  const { port } = await openOne({ access: new Ring().access });
  const failed: string[] = [];
  let asked = 0;
  const made = client({
    servers: `127.0.0.1:${port}`,
    apiKey: () => {
      if (asked++ === 0) throw new Error("the vault is shut");
      return "admin";
    },
    onConnection: ({ error }) => void (error && failed.push(error.message)),
  });
  expect(await made.cluster()).toMatchObject({ node_id: "n1" });
  expect(failed).toEqual(["the vault is shut"]);
});

test.each([undefined, "nobody"])(
  "with the key %s every request is refused at once",
  async (key) => {
    const { port } = await openOne({ access: new Ring().access });
    const made = client({ servers: `127.0.0.1:${port}`, apiKey: key });
    await expect(made.submit("t", 1)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(made.cluster()).rejects.toMatchObject({ code: "unauthenticated" });
  },
);
