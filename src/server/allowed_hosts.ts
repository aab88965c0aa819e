import { type Authority, parseAuthority } from "../http/grammar.ts";
import type { RequestHead } from "../http/head.ts";
import type { Addr } from "../net/addr.ts";

/** Values of the option `allowedHosts`: names, or `"any"`. */
export type AllowedHostsOption = readonly string[] | "any";

/** Names that lead to this machine in every browser (RFC 6761, 6.3), and its addresses. */
const LOOPBACK_HOSTS = ["localhost", "*.localhost", "[::1]"];
const LOOPBACK_V4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/**
 * The hosts that requests may name. By DNS rebinding a page of any name can reach a server on the machine of who looks
 * at it, with an origin that matches the `Host`: only a list of the server's own names tells such a request apart.
 */
export class AllowedHosts {
  /** Names in lower case; `null` for a server that accepts any host. */
  readonly #names: ReadonlySet<string> | null;
  /** Endings, with a dot before, of the names that are allowed; in lower case. */
  readonly #endings: readonly string[];
  /** Whether all IPv4 addresses of the loopback network are allowed. */
  readonly #loopback: boolean;

  /**
   * @param option the application's option
   * @param listening address of the listener; `null` without one
   * @throws {TypeError} when the option is neither `"any"` nor a list of host names
   */
  constructor(option: AllowedHostsOption | undefined, listening: Addr | null) {
    this.#loopback = option === undefined && listening !== null && isLoopback(listening);
    const names = this.#loopback ? LOOPBACK_HOSTS : option === undefined ? "any" : option;
    if (names !== "any") checkNames(names);
    const isEnding = (name: string) => name.startsWith("*.");
    this.#names = names === "any" ? null : new Set(names.filter((name) => !isEnding(name)).map(canonical));
    this.#endings = names === "any"
      ? []
      : names.filter(isEnding).map((name) => canonical(name.slice("*".length)));
  }

  /** Why the request must be refused; `null` for a request that names an allowed host. */
  refusal(head: RequestHead): string | null {
    if (this.#names === null) return null;
    const authority = authorityOf(head);
    if (authority === null || this.#allows(canonical(authority.hostname))) return null;
    return `The host ${authority.hostname} is not in the server's option allowedHosts`;
  }

  #allows(hostname: string): boolean {
    return this.#names!.has(hostname) || this.#loopback && LOOPBACK_V4.test(hostname) ||
      this.#endings.some((ending) => hostname.endsWith(ending) && hostname.length > ending.length);
  }
}

/** The host of the request; `null` where none is named, as no browser sends it. */
function authorityOf({ target, headers }: RequestHead): Authority | null {
  const host = headers.get("host") ?? /^https?:\/\/([^/?]*)/i.exec(target)?.[1];
  return host === undefined ? null : parseAuthority(host);
}

function isLoopback(addr: Addr): boolean {
  return addr.network === "tcp" && (LOOPBACK_V4.test(addr.hostname) || addr.hostname === "::1");
}

/** The name in lower case, without the dot at its end, which means the same host (RFC 3986, 3.2.2). */
function canonical(hostname: string): string {
  const name = hostname.toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function checkNames(names: unknown): void {
  if (!Array.isArray(names)) throw new TypeError('Cannot use allowedHosts: it is neither "any" nor a list');
  for (const name of names) {
    const authority = typeof name === "string" ? parseAuthority(name.replace(/^\*\./, "")) : null;
    if (authority === null || /[*:]$/.test(name) || authority.port !== null) {
      const given = JSON.stringify(name);
      throw new TypeError(`Cannot use allowedHosts: ${given} is not a host name without a port`);
    }
  }
}
