import { ByteBuffer, LinesCodec } from "jackfield/framing";

const lines = new LinesCodec();
const buffer = new ByteBuffer();
lines.encode("hello", buffer);
console.log(lines.decode(buffer));
