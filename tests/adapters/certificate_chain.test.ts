/** The look at a chain of certificates by itself: ordinary ones, and such with one field changed in memory. */

import assert from "node:assert/strict";
import { sign, X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import type { TLSSocket } from "node:tls";
import { chainFault } from "../../adapters/certificate_chain.ts";
import { denoTls } from "../../adapters/deno_tls.ts";
import { authority, certificate, stranger } from "../net/certificates.ts";

const der = (pem: string): Uint8Array => new Uint8Array(new X509Certificate(pem).raw);
const named = (name: string): Uint8Array => der(certificate(name).cert as string);

/** A copy of which the byte at an offset, from the end if it is negative, is another. */
function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  const index = at < 0 ? bytes.length + at : at;
  copy[index]! ^= 1;
  return copy;
}

/** Where a text stands in a certificate. */
function offsetOf(bytes: Uint8Array, text: string): number {
  const at = Buffer.from(bytes).indexOf(text, 0, "latin1");
  assert.ok(at > 0, `the certificate does not hold ${text}`);
  return at;
}

/** A sequence's head in DER, for a size of 128 bytes or more. */
const sequence = (size: number): number[] =>
  size < 256 ? [0x30, 0x81, size] : [0x30, 0x82, size >> 8, size & 0xff];

/** How long what begins at an offset is, with its tag. */
function lengthAt(bytes: Uint8Array, at: number): number {
  const length = bytes[at + 1]!;
  if (length < 0x80) return 2 + length;
  return length === 0x81 ? 3 + bytes[at + 2]! : 4 + (bytes[at + 2]! << 8 | bytes[at + 3]!);
}

/** The certificate that signed for itself, of version 1 instead of 3, which has no extensions; signed by the same key. */
function ofVersion1(): Uint8Array {
  const { key } = certificate("selfsigned");
  const whole = named("selfsigned");
  const size = whole[6]! << 8 | whole[7]!;
  assert.deepEqual([...whole.subarray(4, 6), ...whole.subarray(8, 13)], [0x30, 0x82, 0xa0, 3, 2, 1, 2]);
  const end = whole.findIndex((tag, at) => tag === 0xa3 && lengthAt(whole, at) === 8 + size - at);
  assert.ok(end > 0, "the certificate has no extensions");
  const signed = [...sequence(end - 13), ...whole.subarray(13, end)];
  const signature = sign("sha256", Uint8Array.from(signed), key as string);
  const algorithm = whole.subarray(8 + size, 8 + size + lengthAt(whole, 8 + size));
  const rest = [...signed, ...algorithm, 3, signature.length + 1, 0, ...signature];
  return Uint8Array.from([...sequence(rest.length), ...rest]);
}

describe("a chain of certificates", () => {
  it("is believed when a trusted authority signed it, whatever else is shown", () => {
    assert.equal(chainFault([named("localhost")], [authority]), null);
    assert.equal(chainFault([named("localhost")], [stranger + authority]), null);
    assert.equal(chainFault([named("localhost"), der(stranger), der(authority)], [authority]), null);
  });

  it("is refused when nobody who is trusted signed it", () => {
    assert.equal(chainFault([], [authority]), "ECERTUNTRUSTED");
    for (const roots of [[], [stranger]]) {
      assert.equal(chainFault([named("localhost")], roots), "ECERTUNTRUSTED");
      assert.equal(chainFault([named("localhost"), der(authority)], roots), "ECERTUNTRUSTED");
    }
    for (const name of ["impostor", "selfsigned"]) {
      assert.equal(chainFault([named(name)], [authority]), "ECERTUNTRUSTED", name);
      assert.equal(chainFault([named(name), named("localhost")], [authority]), "ECERTUNTRUSTED", name);
    }
  });

  it("is refused when it is too old or too new", () => {
    for (const name of ["expired", "early"]) {
      assert.equal(chainFault([named(name)], [authority]), "ECERTEXPIRED", name);
    }
  });

  it("is refused when a byte of its signature is another, or of what is signed", () => {
    const sound = named("localhost");
    for (
      const at of [-1, -20, offsetOf(sound, "Jackfield test localhost") + 3, offsetOf(sound, "example.test")]
    ) {
      assert.equal(chainFault([changed(sound, at)], [authority]), "ECERTUNTRUSTED", `byte ${at}`);
    }
  });

  it("is refused when it names another issuer than the one who signed it", () => {
    const sound = named("localhost");
    const other = changed(sound, offsetOf(sound, "Jackfield test authority"));
    assert.equal(chainFault([other], [authority]), "ECERTUNTRUSTED");
    assert.equal(chainFault([other, der(authority)], [authority]), "ECERTUNTRUSTED");
  });

  it("is refused when it is not of version 3, though it is trusted itself", () => {
    const { cert } = certificate("selfsigned");
    assert.equal(chainFault([named("selfsigned")], [cert as string]), null);
    const old = ofVersion1();
    const pem = `-----BEGIN CERTIFICATE-----\n${
      Buffer.from(old).toString("base64")
    }\n-----END CERTIFICATE-----\n`;
    assert.equal(chainFault([old], [pem]), "ECERTUNTRUSTED");
  });
});

describe("a chain on Deno", () => {
  /** A socket whose peer showed one certificate, and was believed. */
  const believed = (raw: Uint8Array): TLSSocket =>
    ({ authorized: true, getPeerCertificate: () => ({ raw }) }) as unknown as TLSSocket;

  it("is verified once more, whatever was found before", () => {
    const sound = named("localhost");
    assert.equal(denoTls.verifyPeer!(believed(sound), [authority]), null);
    assert.equal(denoTls.verifyPeer!(believed(changed(sound, -1)), [authority]), "ECERTUNTRUSTED");
    assert.equal(denoTls.verifyPeer!(believed(sound), [stranger]), "ECERTUNTRUSTED");
    assert.equal(denoTls.verifyPeer!(believed(named("expired")), [authority]), "ECERTEXPIRED");
  });
});
