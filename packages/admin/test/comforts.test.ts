/** What makes tq-admin easy to use: completion, examples, the watch, a look at what is next. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { parse } from "../src/parse.ts";
import { verbTable } from "../src/verb-table.ts";
import { admin, type FakeClient, ID, taskJson } from "./doubles.ts";

const TERMINAL = { isTerminal: true };

describe("help", () => {
  const { verbs } = verbTable();

  test.each(verbs.map((verb) => [[verb.group ?? "", verb.name].join(" ").trim(), verb] as const))(
    "%s has examples, and they are command lines that are right",
    async (path, { command }) => {
      const { status, stdout } = await admin(`${path} --help`);
      expect(status).toBe(0);
      expect(command.examples.length).toBeGreaterThan(0);
      for (const [line] of command.examples) {
        expect(stdout).toContain(`\n  ${line}\n`);
        // What a shell does behind it is not tq-admin's.
        const own = line.split(/ (?:\||&&|<|>) /)[0] ?? "";
        const words = own.match(/'[^']*'|\S+/g)?.map((word) => word.replace(/^'|'$/g, "")) ?? [];
        expect(words[0]).toBe("tq-admin");
        expect(await parse(words.slice(1))).toHaveProperty("command");
      }
    },
  );

  test.each(verbTable().groups)("$name shows the examples of its verbs", async ({ name }) => {
    const { status, stdout } = await admin(`${name} --help`);
    expect(status).toBe(0);
    const lines = verbs.flatMap(({ group, command }) => (group === name ? command.examples : []));
    for (const [line] of lines) expect(stdout).toContain(`\n  ${line}\n`);
    const [own] = verbs.filter(({ group }) => group === name);
    const one = await admin(`${name} ${own?.name} --help`);
    expect(one.stdout.match(/^Examples:$/gm)).toHaveLength(1);
  });

  test("the README lists each verb, and no other", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const groups = verbTable().groups.map(({ name }) => name);
    const cells = [...readme.matchAll(/^\| (`.*?`) \| /gm)].map(([, cell]) => cell ?? "");
    const named = cells.flatMap((cell) => {
      const spans = [...cell.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span.split(" "));
      const [first = "", second = ""] = spans[0] ?? [];
      if (!groups.includes(first)) return spans.map(([verb]) => verb);
      return [second, ...spans.slice(1).map(([verb]) => verb)].map((verb) => `${first} ${verb}`);
    });
    const all = verbs.map(({ group, name }) => (group === undefined ? name : `${group} ${name}`));
    expect(named.sort()).toEqual(all.sort());
  });

  test("each verb's arguments say what they are", () => {
    const mute = verbs.flatMap(({ name, flags, positionals }) => {
      return [...flags, ...positionals].filter((each) => each.describe === "").map(() => name);
    });
    expect(mute).toEqual([]);
  });
});

describe("completion", () => {
  async function completed(...words: string[]): Promise<string[]> {
    const { stdout } = await admin("completion bash");
    const { stdout: answer, stderr } = spawnSync(
      "bash",
      [
        "-c",
        `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _tq_admin; echo "\${COMPREPLY[@]}"`,
        "_",
        "tq-admin",
        ...words,
      ],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
    return answer.trim().split(" ");
  }

  test.each([
    ["cluster-s", ["cluster-status"]],
    ["dlq re", ["retry"]],
    ["--broker-addr a:1 dlq l", ["list"]],
    ["--timeout=5s jobs wa", ["wait"]],
    ["list -o ", ["table", "json", "jsonl", "yaml"]],
    ["list --old", ["--older-than"]],
    [`dlq retry ${ID} --per`, ["--per-second"]],
    ["wait l", ["leader"]],
    ["completion ", ["bash", "zsh", "fish", ...["--broker-addr", "--api-key-file", "--config"]]],
    ["list --status d", ["dead", "dead_letter", "delayed"]],
    ["list --limit 5 --status exp", ["expired"]],
    ["snapshot extract s --state d", ["dead"]],
    ["snapshot extract s --status d", ["dead"]],
    ["submit echo --priority ", ["low", "normal", "high", "critical"]],
    ["submit echo --payload ", [""]],
    ["queue-depth --wa", ["--watch"]],
  ])("in bash: tq-admin %s", async (line, expected) => {
    const answer = await completed(...line.split(" "));
    expect(answer.slice(0, expected.length)).toEqual(expected);
    if (!line.startsWith("completion")) expect(answer).toHaveLength(expected.length);
  });

  test("zsh runs the same function", async () => {
    const { stdout } = await admin("completion zsh");
    const bash = (await admin("completion bash")).stdout.split("\n").slice(1).join("\n");
    expect(stdout).toMatch(/^#compdef tq-admin\n/);
    expect(stdout).toContain("bashcompinit\n");
    expect(stdout.endsWith(bash)).toBe(true);
  });

  test("fish has a line for each verb and each of its flags, and no quote is left open", async () => {
    const { stdout } = await admin("completion fish");
    const lines = stdout.trim().split("\n").slice(1);
    const line =
      /^complete -c tq-admin( -n '[^']*')?( -a \S+| -l \S+( -s \S)?( -x -a '[^']*'| -r)?)/;
    for (const each of lines) {
      const head = line.exec(each)?.[0] ?? "";
      expect(each.slice(head.length)).toMatch(/^ -d '(?:[^'\\]|\\.)*'$/);
    }
    const { globals, groups, verbs } = verbTable();
    const choices = verbs.map(({ positionals }) => positionals[0]?.choices.length ?? 0);
    const words = verbs.length + groups.length + choices.reduce((sum, each) => sum + each, 0);
    const flags = [globals, ...verbs].reduce((sum, each) => sum + each.flags.length, 0);
    expect(lines).toHaveLength(words + flags);
  });
});

describe("--watch", () => {
  /** Ctrl-C is pressed when the terminal has shown so many screens. */
  async function watched(line: string, screens: number, change?: (client: FakeClient) => void) {
    const controller = new AbortController();
    const shown: string[] = [];
    const result = await admin(line, change, {
      ...TERMINAL,
      rows: () => 5,
      interrupted: () => controller.signal,
      stdout: (text) => void shown.push(text),
      sleep: async () => {
        if (shown.length === screens) controller.abort();
      },
    });
    return { ...result, shown };
  }

  test("draws the table anew until Ctrl-C, which is no failure", async () => {
    const { status, shown, client } = await watched("queue-depth --watch", 3);
    expect(status).toBe(0);
    expect(shown).toHaveLength(3);
    expect(client.asked).toHaveLength(3);
    expect(client.closed).toBe(true);
    expect(shown[0]).toContain("\u001b[Hevery 2s; Ctrl-C ends it\u001b[K\nQUEUE ");
    expect(shown[0]).toContain("\u001b[K\nmail ");
    expect(shown[0]?.endsWith("\u001b[J")).toBe(true);
  });

  test("shows no more lines than the terminal has, and says how many are missing", async () => {
    const { shown } = await watched("stats --watch 500ms", 1, (client) => {
      client.stats = async () => ({ node_id: "n", a: 1, b: 2, c: 3 }) as never;
    });
    const lines = shown[0]?.split("\n") ?? [];
    expect(lines[0]).toContain("every 0.5s");
    expect(lines.slice(1, 4).map((each) => each.replace("\u001b[K", "").trim())).toEqual([
      "node_id  n",
      "a        1",
      "… 2 more",
    ]);
    expect(lines).toHaveLength(5);
  });

  test("goes on while the cluster does not answer, and shows why", async () => {
    const { status, shown } = await watched("cluster-status --watch 1s", 2, (client) => {
      client.error = new TqError("no_leader", "an election is under way");
    });
    expect(status).toBe(0);
    expect(shown[1]).toContain("no_leader: an election is under way");
  });

  test("a fault of this program ends it", async () => {
    const { status } = await watched("stats --watch", 1, (client) => {
      client.error = new Error("bug");
    });
    expect(status).toBe(70);
  });

  test.each([
    ["stats --watch", { isTerminal: false }, /on a terminal/],
    ["stats --watch -o json", TERMINAL, /leave out -o/],
    ["stats --watch 10ms", TERMINAL, /100ms or more/],
    ["stats --watch often", TERMINAL, /not a duration/],
    ["get 1 --watch", TERMINAL, /watch/],
  ])("%s on %j is refused", async (line, io, message) => {
    const { status, stderr, client } = await admin(line, undefined, io);
    expect([status, client.asked]).toEqual([64, []]);
    expect(stderr).toMatch(message);
  });
});

describe("peek", () => {
  const id = (at: number) => `0198f2c4-0000-7000-8000-00000000000${at}`;
  const fill = (client: FakeClient) => {
    client.tasks = (["low", "normal", "critical", "normal", "high"] as const).map((priority, at) =>
      taskJson({ id: id(at), priority }),
    );
  };

  test("the highest priority first, of equal ones the oldest", async () => {
    const { stdout, client } = await admin("peek --queue mail --n 4", fill, TERMINAL);
    const shown = stdout.split("\n").slice(1, -1);
    expect(shown.map((line) => line.split(" ")[0])).toEqual([2, 4, 1, 3].map(id));
    expect(client.asked[0]).toEqual(["list", { queue: "mail", status: "pending", limit: 1_000 }]);
  });

  test("of one priority; a program gets the whole tasks", async () => {
    const { stdout, client } = await admin("peek --priority normal", fill);
    expect(JSON.parse(stdout)).toHaveLength(2);
    expect(client.asked.slice(1)).toEqual([
      ["get", id(1)],
      ["get", id(3)],
    ]);
  });

  test("says so when not all were looked at", async () => {
    const { stderr, client } = await admin(
      "peek",
      (fake) => {
        fake.tasks = Array.from({ length: 10_001 }, () => taskJson());
      },
      TERMINAL,
    );
    expect(stderr).toBe("only 10000 tasks were looked at\n");
    expect(client.asked).toHaveLength(10);
  });

  test.each(["--priority urgent", "--n 0", "--n 101"])("peek %s is refused", async (flags) => {
    expect((await admin(`peek ${flags}`)).status).toBe(64);
  });
});
