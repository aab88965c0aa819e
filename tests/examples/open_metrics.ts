/**
 * A strict parser of OpenMetrics text, for tests: accepts the metric types that it knows as OpenMetrics 1.0 allows
 * them, and throws for any other text.
 */

/** The samples of one name. */
export interface MetricFamily {
  type: string;
  unit: string | undefined;
  help: string | undefined;
  samples: Sample[];
}

/** One line. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** What follows the family's name in those of its samples. */
const SUFFIXES: Record<string, readonly string[]> = {
  gauge: [""],
  counter: ["_total", "_created"],
  histogram: ["_bucket", "_count", "_sum", "_created"],
};

const META = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^{}]*)\})? (\S+)$/;
const LABELS = /^(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,(?!$)|$))*$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i;

/** Reads the whole exposition. */
export function parseMetrics(text: string): Map<string, MetricFamily> {
  if (!text.endsWith("# EOF\n")) throw new Error("It does not end with # EOF and a line feed");
  const families = new Map<string, MetricFamily>();
  let current = "";
  for (const line of text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1)) {
    const meta = META.exec(line);
    const [name, read] = meta === null ? ["", () => addSample(families.get(current), current, line)] : [
      meta[2]!,
      () => addMeta(families.get(meta[2]!)!, meta[2]!, meta[1]!, meta[3]!, line),
    ];
    if (meta !== null && name !== current) {
      if (families.has(name)) throw new Error(`${name} is not in one place: ${line}`);
      families.set(name, { type: "", unit: undefined, help: undefined, samples: [] });
      current = name;
    }
    read();
  }
  const names = new Set<string>();
  for (const [name, family] of families) checkFamily(name, family, names);
  return families;
}

function addMeta(family: MetricFamily, name: string, what: string, value: string, line: string): void {
  if (family.samples.length > 0) throw new Error(`It comes after the samples: ${line}`);
  if (what === "TYPE") {
    if (family.type !== "" || !Object.hasOwn(SUFFIXES, value)) throw new Error(`Bad type: ${line}`);
    family.type = value;
  } else if (what === "UNIT") {
    if (family.unit !== undefined || !name.endsWith(`_${value}`)) throw new Error(`Bad unit: ${line}`);
    family.unit = value;
  } else {
    if (family.help !== undefined || /\\(?![\\n"])/.test(value)) throw new Error(`Bad help: ${line}`);
    family.help = value;
  }
}

function addSample(family: MetricFamily | undefined, familyName: string, line: string): void {
  const parts = SAMPLE.exec(line);
  if (parts === null || family === undefined) throw new Error(`No sample: ${JSON.stringify(line)}`);
  const [, name, labels = "", value] = parts as unknown as [string, string, string | undefined, string];
  if (!SUFFIXES[family.type]?.some((suffix) => name === familyName + suffix)) {
    throw new Error(`It does not belong to the ${family.type} ${familyName}: ${line}`);
  }
  if (!NUMBER.test(value)) throw new Error(`No number: ${line}`);
  if (!LABELS.test(labels)) throw new Error(`Bad labels: ${line}`);
  const pairs = Array.from(labels.matchAll(LABEL), ([, key, content]) => [key!, content!] as const);
  if (new Set(pairs.map(([key]) => key)).size < pairs.length) throw new Error(`A label twice: ${line}`);
  family.samples.push({ name, labels: Object.fromEntries(pairs), value: toNumber(value) });
}

function toNumber(text: string): number {
  return Number(text.replace(/inf$/i, "Infinity"));
}

function checkFamily(name: string, family: MetricFamily, names: Set<string>): void {
  if (family.type === "") throw new Error(`${name} has no type`);
  for (const suffix of SUFFIXES[family.type]!) {
    if (names.has(name + suffix)) throw new Error(`${name}${suffix} has two meanings`);
    names.add(name + suffix);
  }
  const seen = new Set<string>();
  for (const { name: sample, labels, value } of family.samples) {
    const identity = sample + JSON.stringify(Object.entries(labels).sort());
    if (seen.has(identity)) throw new Error(`${identity} is there twice`);
    seen.add(identity);
    if (family.type !== "gauge" && !(value >= 0 && value < Infinity)) {
      throw new Error(`${identity} is ${value}`);
    }
  }
  if (family.type === "histogram") checkHistogram(name, family.samples);
}

function checkHistogram(name: string, samples: Sample[]): void {
  const one = (suffix: string) => samples.filter((sample) => sample.name === name + suffix);
  let [bound, count] = [-Infinity, 0];
  for (const { labels, value } of one("_bucket")) {
    const { le = "" } = labels;
    // The same bound is always the same label: a float has a point or an exponent.
    if (!NUMBER.test(le) || !/[.e]|^\+Inf$/.test(le)) throw new Error(`${name} has the bound ${le}`);
    if (toNumber(le) <= bound || value < count) throw new Error(`${name} does not grow at ${le}`);
    [bound, count] = [toNumber(le), value];
  }
  if (bound !== Infinity) throw new Error(`${name} has no bucket for what is larger`);
  const [counts, sums] = [one("_count"), one("_sum")];
  if (counts.length !== 1 || sums.length !== 1) throw new Error(`${name} lacks its count or sum`);
  if (counts[0]!.value !== count) throw new Error(`${name} counts ${counts[0]!.value}, its buckets ${count}`);
}
