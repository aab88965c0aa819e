/**
 * Two hosts on one wire: network namespaces, joined by a pair of virtual interfaces. It takes Linux, `ip` and the rights
 * of root; programs run in them as processes of their own.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { childCommand, Program } from "./program.ts";

/** One end of a {@linkcode Wire}. */
export interface Host {
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

/** Addresses of the wire that the far host takes, as a router would, and drops: nobody answers, nobody says so. */
export const BLACK_HOLES = { ipv4: "10.77.0.99", ipv6: "2001:db8:77::99" } as const;

/** An address to which every way is shut, by a route; any address off the wire has no route at all. */
export const SHUT_OFF = "10.78.0.1";

/** The interface, by the same name in both namespaces. */
const DEVICE = "wire";

let made = 0;

/** Whether namespaces can be made and joined here. */
export const hostsPermitted: boolean = succeeds(() =>
  inNewNamespace((name) => ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "other"))
);

/** How to make packets get lost: at random where the kernel can, else in a queue that is too short. */
const lossy: string[] | undefined = [
  ["netem", "loss", "5%", "delay", "5ms"],
  ["tbf", "rate", "40mbit", "burst", "5kb", "limit", "30kb"],
].find((discipline) => {
  return hostsPermitted &&
    succeeds(() => inNewNamespace((name) => tc(name, "qdisc", "add", "dev", "lo", "root", ...discipline)));
});

/** Whether packets can be made to get lost. */
export const lossPermitted: boolean = lossy !== undefined;

function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function tc(namespace: string, ...args: string[]): string {
  return execFileSync("tc", ["-n", namespace, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function newName(): string {
  return `jackfield-${process.pid}-${made++}`;
}

function inNewNamespace(action: (name: string) => void): void {
  const name = newName();
  ip("netns", "add", name);
  try {
    action(name);
  } finally {
    ip("netns", "delete", name);
  }
}

/** Two hosts, and the wire between them. */
export class Wire {
  readonly near: Host = {
    namespace: newName(),
    ipv4: "10.77.0.1",
    ipv6: "2001:db8:77::1",
    mac: "02:00:00:00:00:01",
  };
  readonly far: Host = {
    namespace: newName(),
    ipv4: "10.77.0.2",
    ipv6: "2001:db8:77::2",
    mac: "02:00:00:00:00:02",
  };
  readonly #programs = new Set<Program>();

  /** Call `remove` behind it, also when this throws. */
  lay(): void {
    const { near, far } = this;
    for (const { namespace } of [near, far]) ip("netns", "add", namespace);
    const end = ({ namespace, mac }: Host) => ["name", DEVICE, "netns", namespace, "address", mac];
    ip("link", "add", ...end(near), "type", "veth", "peer", ...end(far));
    for (const host of [near, far]) {
      ip("-n", host.namespace, "address", "add", `${host.ipv4}/24`, "dev", DEVICE);
      ip("-n", host.namespace, "address", "add", `${host.ipv6}/64`, "dev", DEVICE, "nodad");
      for (const device of ["lo", DEVICE]) ip("-n", host.namespace, "link", "set", device, "up");
    }
    // For good: nobody who is silent is found out by a question for his hardware address.
    for (const address of [far.ipv4, far.ipv6, BLACK_HOLES.ipv4, BLACK_HOLES.ipv6]) {
      ip(
        "-n",
        near.namespace,
        "neighbour",
        "add",
        address,
        "lladdr",
        far.mac,
        "dev",
        DEVICE,
        "nud",
        "permanent",
      );
    }
    ip("-n", near.namespace, "route", "add", "unreachable", SHUT_OFF);
  }

  /** Whether both interfaces run: soon after `lay`. */
  get running(): boolean {
    return [this.near, this.far].every(({ namespace }) => {
      return execFileSync("ip", ["-n", namespace, "link", "show", DEVICE], { encoding: "utf8" }).includes(
        "state UP",
      );
    });
  }

  /** Names for the near host. `ip netns exec` puts the file in the place of the system's own. */
  nameAddresses(names: Record<string, readonly string[]>): void {
    const lines = Object.entries(names).flatMap(([name, addresses]) => {
      return addresses.map((address) => `${address} ${name}\n`);
    });
    const folder = `/etc/netns/${this.near.namespace}`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/hosts`, lines.join(""));
  }

  /** Sets a parameter of the near host's kernel. */
  setParameter(name: string, value: number): void {
    ip("netns", "exec", this.near.namespace, "sh", "-c", `echo ${value} >/proc/sys/${name}`);
  }

  /** Makes packets get lost both ways. */
  makeLossy(): void {
    for (const { namespace } of [this.near, this.far]) {
      tc(namespace, "qdisc", "add", "dev", DEVICE, "root", ...lossy!);
    }
  }

  /** Packets that got lost so far. */
  lost(): number {
    const statistics = [this.near, this.far].map(({ namespace }) => {
      return tc(namespace, "-s", "qdisc", "show", "dev", DEVICE);
    });
    return statistics.reduce((sum, text) => sum + Number(/dropped (\d+)/.exec(text)![1]), 0);
  }

  /** Pulls the plug, at the far end: the near one is not told more than that. */
  pull(): void {
    ip("-n", this.far.namespace, "link", "set", DEVICE, "down");
  }

  plugIn(): void {
    ip("-n", this.far.namespace, "link", "set", DEVICE, "up");
  }

  /** Starts `program_main.ts` on a host, on this runtime. */
  start(host: Host, ...args: string[]): Program {
    const program = new Program(["ip", "netns", "exec", host.namespace, ...childCommand(args)]);
    this.#programs.add(program);
    return program;
  }

  /** Ends what was started and takes everything away, as far as it is there. */
  remove(): void {
    for (const program of this.#programs) program.kill();
    for (const { namespace } of [this.near, this.far]) {
      succeeds(() => ip("netns", "delete", namespace));
      rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
    }
  }
}
