/**
 * Two hosts on one wire: network namespaces joined by a pair of virtual interfaces. This needs Linux, `ip` and root;
 * programs run in the namespaces as processes.
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

/** Addresses whose packets the far host accepts, as a router would, and drops without an answer. */
export const BLACK_HOLES = { ipv4: "10.77.0.99", ipv6: "2001:db8:77::99" } as const;

/** An address that a route makes unreachable. Other addresses off the wire have no route at all. */
export const SHUT_OFF = "10.78.0.1";

/** The interface, by the same name in both namespaces. */
const DEVICE = "wire";

let made = 0;

/** Whether this process can make and join namespaces. */
export const hostsPermitted: boolean = succeeds(() =>
  inNewNamespace((name) => ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "other"))
);

/** The `tc` discipline that loses packets: at random where the kernel supports it, otherwise by a short queue. */
const lossy: string[] | undefined = [
  ["netem", "loss", "5%", "delay", "5ms"],
  ["tbf", "rate", "40mbit", "burst", "5kb", "limit", "30kb"],
].find((discipline) => {
  return hostsPermitted &&
    succeeds(() => inNewNamespace((name) => tc(name, "qdisc", "add", "dev", "lo", "root", ...discipline)));
});

/** Whether this process can make packets get lost. */
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

  /** Makes the hosts and the wire. Call `remove` afterwards, even if this throws. */
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
    // Permanent entries: otherwise a silent address would be noticed by an unanswered ARP request.
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

  /** Whether both interfaces are up, as they are soon after `lay`. */
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

  /** Makes packets get lost in both directions. */
  makeLossy(): void {
    for (const { namespace } of [this.near, this.far]) {
      tc(namespace, "qdisc", "add", "dev", DEVICE, "root", ...lossy!);
    }
  }

  /** Number of packets lost so far. */
  lost(): number {
    const statistics = [this.near, this.far].map(({ namespace }) => {
      return tc(namespace, "-s", "qdisc", "show", "dev", DEVICE);
    });
    return statistics.reduce((sum, text) => sum + Number(/dropped (\d+)/.exec(text)![1]), 0);
  }

  /** Takes the far end's interface down, so that the near end loses its carrier. */
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

  /** Ends the started programs and removes the namespaces, as far as they exist. */
  remove(): void {
    for (const program of this.#programs) program.kill();
    for (const { namespace } of [this.near, this.far]) {
      succeeds(() => ip("netns", "delete", namespace));
      rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
    }
  }
}
