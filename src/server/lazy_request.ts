/**
 * A `Request` that is made when somebody first looks at it. Making one takes a good part of a handshake's time and some
 * kilobytes for as long as the connection lasts, and most applications look at it never or once.
 *
 * It is an instance of `Request`, and every property and method of one works; but it is not one to the runtime itself:
 * `fetch(request)` and `new Request(request)` take `request.clone()`.
 *
 * @param make makes the real one; called once at the most, and must not throw
 */
export function lazyRequest(make: () => Request): Request {
  prepareLazyRequests();
  const lazy = Object.create(lazyPrototype) as LazyRequest;
  lazy[maker] = make;
  return lazy;
}

/**
 * For a server, before its first request: on Node `Request` brings an HTTP client with it, of 40 ms and 17 MB, which who only
 * dials shall not load, and the first to connect shall not wait for.
 */
export function prepareLazyRequests(): void {
  lazyPrototype ??= makePrototype();
}

const maker = Symbol("maker");

interface LazyRequest extends Request {
  /** Makes it, or gives the one that was made. */
  [maker]: () => Request;
}

function real(lazy: LazyRequest): Request {
  const request = lazy[maker]();
  lazy[maker] = () => request;
  return request;
}

let lazyPrototype: object | null = null;

/** Stands before `Request.prototype`: whatever that has is asked of the real one. */
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
