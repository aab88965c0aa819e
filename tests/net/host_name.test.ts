/** Names of hosts on their way to the resolver and into the TLS handshake. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { dialTls, listenTls } from "../../entries/net.ts";
import { dialOn } from "../../src/net/dial.ts";
import { asciiName, certificateName } from "../../src/net/host_name.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { clientTls, serverTls } from "./certificates.ts";
import { holdProcess, limit } from "./support.ts";

describe("a host's name", () => {
  holdProcess();

  it("is converted to ASCII, where it is not ASCII", () => {
    assert.equal(asciiName("bücher.example"), "xn--bcher-kva.example");
    assert.equal(asciiName("BÜCHER.example."), "xn--bcher-kva.example.");
    for (const same of ["localhost", "LOCALHOST", "a_b", "", "127.0.0.1", "fe80::1%lo"]) {
      assert.equal(asciiName(same), same);
    }
    assert.equal(asciiName("ü b"), null);
  });

  it("has no dot at its end in a certificate", () => {
    assert.equal(certificateName("localhost."), "localhost");
    assert.equal(certificateName("bücher.example."), "xn--bcher-kva.example");
    assert.equal(certificateName("localhost"), "localhost");
    assert.equal(certificateName("::1"), "::1");
  });

  it("is looked up in ASCII", limit, async () => {
    const asked: string[] = [];
    const lookup = async (name: string) => (asked.push(name), []);
    const runtime = new Runtime({ ...currentAdapter(), lookup });
    for (const name of ["bücher.example", "ü b"]) {
      await assert.rejects(dialOn(runtime, "tcp", `${name}:80`), { code: "ENOTFOUND", addr: `${name}:80` });
    }
    assert.deepEqual(asked, ["xn--bcher-kva.example"]);
  });

  it("is sent as SNI without the dot at its end", limit, async () => {
    const listener = await listenTls("tcp", "127.0.0.1:0", { tls: serverTls });
    const [client, server] = await Promise.all([
      dialTls("tcp", String(listener.addr), { tls: { ...clientTls, serverName: "localhost." } }),
      listener.accept(),
    ]);
    assert.equal((server as unknown as typeof client).connectionState.serverName, "localhost");
    client.closeNow();
    server.closeNow();
    await listener.close();
  });
});
