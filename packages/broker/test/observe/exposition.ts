/**
 * Reads Prometheus' text format strictly: what a scraper would refuse or misread throws here.
 * See https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Values by the sample's name with its labels: `x{a="b"}`. */
  readonly samples: ReadonlyMap<string, number>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
// prom-client writes "Nan", which Prometheus reads as well as "NaN".
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (Na[Nn]|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const LABELS =
  /^\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*")*,?\}$/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  gauge: [""],
  counter: [""],
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

export function readExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family & { samples: Map<string, number> }>();
  let current: (Family & { samples: Map<string, number> }) | undefined;
  let help: readonly [string, string] | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment?.[1] === "HELP") {
      help = [comment[2]!, comment[3]!];
    } else if (comment?.[1] === "TYPE") {
      const [name, type] = [comment[2]!, comment[3]!];
      if (!NAME.test(name) || !(type in SUFFIXES)) throw new Error(`no family: ${line}`);
      if (families.has(name)) throw new Error(`${name} is there twice`);
      if (help?.[0] !== name) throw new Error(`${name} has no help`);
      if (type === "counter" && !name.endsWith("_total")) throw new Error(`${name} is no _total`);
      current = { name, type, help: help[1], samples: new Map() };
      families.set(name, current);
    } else if (current === undefined) throw new Error(`a sample without a family: ${line}`);
    else addSample(current, line);
  }
  return families;
}

function addSample(family: Family & { samples: Map<string, number> }, line: string): void {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  if (name === "") throw new Error(`no sample: ${line}`);
  if (labels !== "" && !LABELS.test(labels)) throw new Error(`no labels: ${line}`);
  if (!SUFFIXES[family.type]!.some((suffix) => name === family.name + suffix)) {
    throw new Error(`${name} stands among ${family.name}`);
  }
  const key = name + labels;
  if (family.samples.has(key)) throw new Error(`${key} is there twice`);
  family.samples.set(key, Number(value.replace("Inf", "Infinity")));
}
