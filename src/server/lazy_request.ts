/**
 * A `Request` that is created lazily, at the first use of a property or method. Creating one takes a good part of a
 * handshake's time, and some kilobytes while the connection lasts. For callbacks that do not take it: the object is an
 * instance of `Request` with all its properties and methods, but not every runtime's `fetch` and `new Request` accept it.
 *
 * @param make creates the real request; called at most once, and must not throw
 */
export function lazyRequest(make: () => Request): Request {
  prepareLazyRequests();
  const lazy = Object.create(lazyPrototype) as LazyRequest;
  lazy[maker] = make;
  return lazy;
}

/**
 * Loads the class `Request`; called by a server before its first request. On Node the class brings an HTTP client
 * with it, which takes 40 ms and 17 MB: too much for programs that only dial, and for the first client to wait for.
 */
export function prepareLazyRequests(): void {
  lazyPrototype ??= makePrototype();
}

const maker = Symbol("maker");

interface LazyRequest extends Request {
  /** Creates the real request at the first call; returns it at each later one. */
  [maker]: () => Request;
}

function real(lazy: LazyRequest): Request {
  const request = lazy[maker]();
  lazy[maker] = () => request;
  return request;
}

let lazyPrototype: object | null = null;

/** A prototype in front of `Request.prototype`, which passes all its members on to the real request. */
function makePrototype(): object {
  const members = Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))
    .filter(([name]) => name !== "constructor")
    .map(([name, { value }]) => [name, typeof value === "function" ? method(name) : getter(name)]);
  return Object.create(Request.prototype, Object.fromEntries(members));
}

function method(name: string): PropertyDescriptor {
  return {
    configurable: true,
    writable: true,
    value(this: LazyRequest, ...args: unknown[]): unknown {
      const request = real(this) as unknown as Record<string, (...args: unknown[]) => unknown>;
      return request[name]!(...args);
    },
  };
}

function getter(name: string): PropertyDescriptor {
  return {
    configurable: true,
    enumerable: true,
    get(this: LazyRequest): unknown {
      return (real(this) as unknown as Record<string, unknown>)[name];
    },
  };
}
