/** A hub's statistics as OpenMetrics text, for Prometheus and compatible collectors. */

import type { HubStats } from "../../mod.ts";

/** Content type of the text. */
export const METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type HistogramSnapshot = HubStats["broadcastLatency"];

/** Names of the numeric fields of {@linkcode HubStats}. */
type Field = { [Name in keyof HubStats]: HubStats[Name] extends number ? Name : never }[keyof HubStats];

/** A family of samples: its name, which ends with the unit if there is one, its description, and its source. */
interface Family {
  readonly name: string;
  readonly unit?: string;
  readonly help: string;
  readonly field: Field;
}

const GAUGES: readonly Family[] = [
  { name: "members", help: "Registered members.", field: "members" },
  { name: "rooms", help: "Rooms with at least one member.", field: "rooms" },
  { name: "queued_messages", help: "Messages queued for a socket.", field: "queuedMessages" },
  {
    name: "queued_bytes",
    unit: "bytes",
    help: "Payload bytes queued for a socket.",
    field: "queuedBytes",
  },
];

const COUNTERS: readonly Family[] = [
  { name: "messages", help: "Broadcasts and single messages, each counted once.", field: "messages" },
  {
    name: "sent_messages",
    help: "Messages accepted by queues, counted once for each member.",
    field: "sent",
  },
  {
    name: "sent_bytes",
    unit: "bytes",
    help: "Payload bytes of the messages accepted by queues.",
    field: "sentBytes",
  },
  { name: "written_messages", help: "Messages accepted by sockets.", field: "written" },
  {
    name: "written_bytes",
    unit: "bytes",
    help: "Payload bytes of the messages accepted by sockets.",
    field: "writtenBytes",
  },
  {
    name: "coalesced_messages",
    help: "Messages replaced by a later one with the same key.",
    field: "coalesced",
  },
  { name: "evicted_members", help: "Members closed because their queue was full.", field: "evicted" },
  {
    name: "timed_out_members",
    help: "Members dropped because they did not answer pings.",
    field: "timedOut",
  },
  { name: "refused_requests", help: "Joins and publishes that were refused.", field: "refused" },
  {
    name: "rate_limited_requests",
    help: "Joins and publishes refused by the rate limit.",
    field: "rateLimited",
  },
  { name: "published_messages", help: "Messages passed to the broker.", field: "published" },
  { name: "received_messages", help: "Messages received from the broker.", field: "received" },
  {
    name: "publish_dropped_messages",
    help: "Messages not passed to the broker because too many were queued for it.",
    field: "publishDropped",
  },
  { name: "broker_errors", help: "Errors of the broker.", field: "brokerErrors" },
];

/** Writes the statistics as OpenMetrics text. */
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
  describe(lines, "dropped_messages", "counter", "Messages dropped because a queue was full.");
  for (const [policy, count] of Object.entries(stats.drops)) {
    lines.push(`${full("dropped_messages")}_total{policy="${policy}"} ${count}`);
  }
  addLatency(lines, stats.broadcastLatency);
  return lines.join("\n") + "\n# EOF\n";
}

function addLatency(lines: string[], { count, sum, buckets }: HistogramSnapshot): void {
  const name = "broadcast_latency_seconds";
  const help = "Time from the first message of a turn until every socket has been given its messages.";
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

/** Label of a bucket's bound, always with a decimal point: collectors compare labels as texts. */
function bound(value: number): string {
  if (value === Infinity) return "+Inf";
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
