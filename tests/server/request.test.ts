/** The `Request` made of a head. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderFields } from "../../src/http/header_fields.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { ClientSignal } from "../../src/server/client_signal.ts";
import { toRequest } from "../../src/server/request.ts";

describe("the URL of a request without Host", () => {
  it("is the local address, without its zone", () => {
    const head = { method: "GET", target: "/a%20b", minorVersion: 0, headers: new HeaderFields() } as const;
    const request = toRequest(head, {
      localAddr: tcpAddr("fe80::1%eth0", 8080),
      secure: false,
      client: new ClientSignal(),
    });
    assert.equal(request.url, "http://[fe80::1]:8080/a%20b");
  });
});
