import * as jackfield from "jackfield";
import * as framing from "jackfield/framing";
import * as hub from "jackfield/hub";
import * as net from "jackfield/net";
import * as websocket from "jackfield/websocket";
import { equal } from "./check.ts";

// A name is the same object whichever entry point it is imported from.
const parts: Record<string, unknown> = { ...net, ...framing, ...websocket, ...hub };
equal(Object.keys(parts).sort(), Object.keys(jackfield).sort());
for (const [name, value] of Object.entries(jackfield)) equal(parts[name] === value, true);

const [here, there] = jackfield.pipe();
await using lines = new jackfield.Framed(here, new jackfield.LinesCodec());
await using answers: jackfield.Framed<string> = new jackfield.Framed(there, new jackfield.LinesCodec());
await lines.write("hello");
equal(await answers.read(), "hello");
console.log("ok");
