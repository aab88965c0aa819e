/** A hub's numbers as OpenMetrics text, for Prometheus and the like to collect. */

import type { HubStats } from "../../mod.ts";

/** What the text is served as. */
export const METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type HistogramSnapshot = HubStats["broadcastLatency"];

/** Names of the fields of {@linkcode HubStats} that are plain numbers. */
type Field = { [Name in keyof HubStats]: HubStats[Name] extends number ? Name : never }[keyof HubStats];

/** One family of samples: how it is called, what it tells, and where it is found. A unit is the end of the name. */
interface Family {
  readonly name: string;
  readonly unit?: string;
  readonly help: string;
  readonly field: Field;
}

const GAUGES: readonly Family[] = [
  { name: "members", help: "Members that are registered.", field: "members" },
  { name: "rooms", help: "Rooms with somebody in them.", field: "rooms" },
  { name: "queued_messages", help: "Messages that wait for a socket.", field: "queuedMessages" },
  {
    name: "queued_bytes",
    unit: "bytes",
    help: "Bytes of payload that wait for a socket.",
    field: "queuedBytes",
  },
];

const COUNTERS: readonly Family[] = [
  { name: "messages", help: "Broadcasts and single messages, each once.", field: "messages" },
  { name: "sent_messages", help: "Messages that queues took, once for each member.", field: "sent" },
  {
    name: "sent_bytes",
    unit: "bytes",
    help: "Bytes of payload of the messages that queues took.",
    field: "sentBytes",
  },
  { name: "written_messages", help: "Messages that sockets took.", field: "written" },
  {
    name: "written_bytes",
    unit: "bytes",
    help: "Bytes of payload of the messages that sockets took.",
    field: "writtenBytes",
  },
  {
    name: "coalesced_messages",
    help: "Messages whose place a later one of the same key took.",
    field: "coalesced",
  },
  { name: "evicted_members", help: "Members closed because their queue was full.", field: "evicted" },
  { name: "timed_out_members", help: "Members dropped because they were silent.", field: "timedOut" },
  { name: "refused_requests", help: "Joins and publishes that were refused.", field: "refused" },
  { name: "rate_limited_requests", help: "Joins and publishes that came too fast.", field: "rateLimited" },
  { name: "published_messages", help: "Messages given to the broker.", field: "published" },
  { name: "received_messages", help: "Messages that came by the broker.", field: "received" },
  {
    name: "publish_dropped_messages",
    help: "Messages that were not given to the broker because too many waited for it.",
    field: "publishDropped",
  },
  { name: "broker_errors", help: "What failed at the broker.", field: "brokerErrors" },
];

/** The whole text. */
export function hubMetrics(stats: HubStats): string {
  const lines: string[] = [];
  for (const { name, unit, help, field } of GAUGES) {
    describe(lines, name, "gauge", help, unit);
    lines.push(`${full(name)} ${stats[field]}`);
  }
  for (const { name, unit, help, field } of COUNTERS) {
    describe(lines, name, "counter", help, unit);
    lines.push(`${full(name)}_total ${stats[field]}`);
  }
  describe(lines, "dropped_messages", "counter", "Messages that were lost because a queue was full.");
  for (const [policy, count] of Object.entries(stats.drops)) {
    lines.push(`${full("dropped_messages")}_total{policy="${policy}"} ${count}`);
  }
  addLatency(lines, stats.broadcastLatency);
  return lines.join("\n") + "\n# EOF\n";
}

function addLatency(lines: string[], { count, sum, buckets }: HistogramSnapshot): void {
  const name = "broadcast_latency_seconds";
  const help = "From the first message of a turn to the moment when every socket was handed what is for it.";
  describe(lines, name, "histogram", help, "seconds");
  for (const bucket of buckets) {
    lines.push(`${full(name)}_bucket{le="${bound(bucket.le / 1000)}"} ${bucket.count}`);
  }
  lines.push(`${full(name)}_count ${count}`, `${full(name)}_sum ${sum / 1000}`);
}

function describe(lines: string[], name: string, type: string, help: string, unit?: string): void {
  lines.push(`# TYPE ${full(name)} ${type}`);
  if (unit !== undefined) lines.push(`# UNIT ${full(name)} ${unit}`);
  lines.push(`# HELP ${full(name)} ${help}`);
}

function full(name: string): string {
  return `jackfield_hub_${name}`;
}

/** A bound as it must always be written: the same label each time, with a point. */
function bound(value: number): string {
  if (value === Infinity) return "+Inf";
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
