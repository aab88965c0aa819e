import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hubMetrics } from "../../examples/chat/metrics.ts";
import { Hub } from "../../mod.ts";
import { enterByLine, enterByWeb, join, receive, startChat } from "./chat_clients.ts";
import { type MetricFamily, parseMetrics } from "./open_metrics.ts";

const limit = { timeout: 30_000 };

function value(families: Map<string, MetricFamily>, name: string): number {
  const samples = families.get(`jackfield_hub_${name}`)?.samples;
  assert.equal(samples?.length, 1, name);
  return samples[0]!.value;
}

describe("chat: /metrics", () => {
  it("is OpenMetrics text of what the hub counts", limit, async () => {
    const room = await startChat({ rateLimit: { rate: 1e-6, burst: 4 } });
    const [ann, ben] = [await enterByWeb(room), await enterByLine(room)];
    await join(ann, "r", "ann");
    await join(ben, "r", "ben");
    for (let i = 0; i < 4; i++) await ann.send({ type: "say", text: "é" });
    await receive(ann, "error");
    const before = room.chat.hub.stats;
    const response = await fetch(`http://${room.webAddress}/metrics`);
    assert.equal(response.status, 200);
    assert.equal(
      response.headers.get("content-type"),
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    const families = parseMetrics(await response.text());
    assert.equal(value(families, "members"), 2);
    assert.equal(value(families, "rooms"), 2, "what is said, and who is typing");
    assert.equal(value(families, "rate_limited_requests"), 1);
    // A greeting at the line door, two welcomes, a "joined", three texts to two, and a refusal.
    assert.equal(value(families, "sent_messages"), 11);
    assert.equal(value(families, "sent_bytes"), before.sentBytes);
    assert.equal(families.get("jackfield_hub_sent_bytes")!.unit, "bytes");
    assert.equal(
      families.get("jackfield_hub_sent_bytes")!.samples[0]!.name,
      "jackfield_hub_sent_bytes_total",
    );
    const drops = families.get("jackfield_hub_dropped_messages")!;
    assert.deepEqual(drops.samples.map(({ labels }) => labels.policy), Object.keys(before.drops));
    const latency = families.get("jackfield_hub_broadcast_latency_seconds")!;
    assert.deepEqual([latency.type, latency.unit], ["histogram", "seconds"]);
    assert.equal(latency.samples.filter(({ name }) => name.endsWith("_bucket")).length, 12);
    for (const [name, { help }] of families) assert.match(help ?? "", /^[A-Z].*\.$/, name);
    await Promise.all([ann.close(), ben.close()]);
    await room.stop();
  });

  it("tells each number under a name of its own, milliseconds as seconds", () => {
    const stats = { ...new Hub().stats } as Record<string, unknown>;
    let next = 1;
    for (const name in stats) if (typeof stats[name] === "number") stats[name] = next++ * 1e9;
    stats.drops = { "close": 1, "drop-oldest": 2, "drop-newest": 3, "coalesce": 4 };
    stats.broadcastLatency = {
      count: 6,
      sum: 5_012.5,
      buckets: [{ le: 1, count: 1 }, { le: 1_000, count: 5 }, { le: Infinity, count: 6 }],
    };
    const text = hubMetrics(stats as unknown as Hub["stats"]);
    const families = parseMetrics(text);
    const told = [...families.values()].flatMap(({ samples }) => samples.map((sample) => sample.value));
    for (const [name, number] of Object.entries(stats)) {
      // The sum of the drops is not told beside them.
      if (typeof number !== "number" || name === "dropped") continue;
      assert.equal(told.filter((value) => value === number).length, 1, name);
    }
    assert.match(text, /^jackfield_hub_dropped_messages_total\{policy="drop-newest"\} 3$/m);
    assert.deepEqual(text.match(/^jackfield_hub_broadcast_latency.*$/gm), [
      'jackfield_hub_broadcast_latency_seconds_bucket{le="0.001"} 1',
      'jackfield_hub_broadcast_latency_seconds_bucket{le="1.0"} 5',
      'jackfield_hub_broadcast_latency_seconds_bucket{le="+Inf"} 6',
      "jackfield_hub_broadcast_latency_seconds_count 6",
      "jackfield_hub_broadcast_latency_seconds_sum 5.0125",
    ]);
  });
});

describe("chat: the reader of metrics that the tests use", () => {
  const histogram = (...lines: string[]) => ["# TYPE h histogram", ...lines, "# EOF", ""].join("\n");
  const bad: [what: string, text: string][] = [
    ["no end", "# TYPE a gauge\na 1\n"],
    ["an end without a line feed", "# TYPE a gauge\na 1\n# EOF"],
    ["something after the end", "# EOF\n# TYPE a gauge\na 1\n# EOF\n"],
    ["an empty line", "# TYPE a gauge\n\na 1\n# EOF\n"],
    ["a carriage return", "# TYPE a gauge\na 1\r\n# EOF\n"],
    ["a sample of no family", "a 1\n# EOF\n"],
    ["no type", "# HELP a A.\na 1\n# EOF\n"],
    ["two types", "# TYPE a gauge\n# TYPE a gauge\na 1\n# EOF\n"],
    ["a counter without its suffix", "# TYPE a counter\na 1\n# EOF\n"],
    ["a gauge with a counter's suffix", "# TYPE a gauge\na_total 1\n# EOF\n"],
    ["a unit that the name does not have", "# TYPE a gauge\n# UNIT a bytes\na 1\n# EOF\n"],
    ["a sample twice", '# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n# EOF\n'],
    ["a family in two places", "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na 2\n# EOF\n"],
    ["a name with two meanings", "# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 1\n# EOF\n"],
    ["a label without quotes", "# TYPE a gauge\na{x=1} 1\n# EOF\n"],
    ["a label twice", '# TYPE a gauge\na{x="1",x="2"} 1\n# EOF\n'],
    ["no number", "# TYPE a gauge\na one\n# EOF\n"],
    ["a counter below 0", "# TYPE a counter\na_total -1\n# EOF\n"],
    [
      "buckets that shrink",
      histogram('h_bucket{le="1.0"} 2', 'h_bucket{le="+Inf"} 1', "h_count 1", "h_sum 1"),
    ],
    ["no last bucket", histogram('h_bucket{le="1.0"} 1', "h_count 1", "h_sum 1")],
    ["a count of its own", histogram('h_bucket{le="+Inf"} 1', "h_count 2", "h_sum 1")],
    [
      "a bound without a point",
      histogram('h_bucket{le="1"} 1', 'h_bucket{le="+Inf"} 1', "h_count 1", "h_sum 1"),
    ],
  ];
  for (const [what, text] of bad) it(`refuses ${what}`, () => assert.throws(() => parseMetrics(text)));

  it("takes what is right", () => {
    const text = histogram('h_bucket{le="0.5"} 1', 'h_bucket{le="+Inf"} 2', "h_count 2", "h_sum 1.5");
    assert.equal(parseMetrics(text).get("h")?.samples.length, 4);
    assert.equal(parseMetrics("# EOF\n").size, 0);
  });
});
