import assert from "node:assert/strict";
import { isIP } from "node:net";
import { describe, it } from "node:test";
import { ipFamily } from "../../src/net/ip.ts";
import { limit } from "./support.ts";

const texts: string[] = [
  ..."0.0.0.0 127.0.0.1 255.255.255.255 256.0.0.1 1.2.3 1.2.3.4.5 1.2.3.4. .1.2.3.4 1..2.3 01.2.3.4 1.2.3.a"
    .split(" "),
  ...":: ::1 1:: fe80::1 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 FFFF::abcd ::ffff:1.2.3.4".split(
    " ",
  ),
  ...": ::: 1::2::3 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4::5:6:7:8 12345::1 ::g 1.2.3.4::1 ::1.2.3.4:1"
    .split(" "),
  ..."1:2:3:4:5:6:1.2.3.4 1:2:3:4:5:6:7:1.2.3.4 :1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8: ::1.2.3.256 fe80::1%eth0"
    .split(" "),
  ..."fe80::1% 1.2.3.4%eth0 localhost a.b.c.d 1 [::1]".split(" "),
  "",
  " ::1",
  "::1\n",
];

describe("ipFamily", () => {
  for (const text of texts) {
    it(`agrees with the runtime about ${JSON.stringify(text)}`, limit, () => {
      assert.equal(ipFamily(text), isIP(text));
    });
  }
});
