import { versions } from "node:process";

const [major = 0, minor = 0] = versions.node.split(".").map(Number);

/** Whether `node:net` and `node:dgram` know `reusePort`, since 22.12 and 23.1. Before, the option is accepted and has no effect. */
export const knowsReusePort: boolean = major > 23 || major === 23 && minor >= 1 ||
  major === 22 && minor >= 12;
