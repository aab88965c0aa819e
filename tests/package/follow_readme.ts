/**
 * Follows the README to the letter: clones the last commit to an empty folder and runs the commands of the README's
 * `sh` blocks there, with npm only. The chat must answer at the address that it prints. `npm test` is left out,
 * because this program may be a part of it.
 *
 *     node tests/package/follow_readme.ts
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "jackfield-readme-"));
// A newcomer has none of what this checkout has installed. Ports are free ones, since this machine may be busy.
const path = (process.env["PATH"] ?? "").split(delimiter).filter((place) => !place.includes("node_modules"));
const env = { ...process.env, PATH: path.join(delimiter), PORT: "0", LINE_PORT: "0" };
for (const name of Object.keys(env)) {
  if (/^npm_/i.test(name) && !/^npm_config_registry$/i.test(name)) delete env[name as keyof typeof env];
}

/** Runs a command until it has ended or, if it serves, has printed an address and answered there. */
async function follow(command: string): Promise<void> {
  console.log(`$ ${command}`);
  const child = spawn("sh", ["-c", command], {
    cwd: folder,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const timer = setTimeout(() => end(child), 180_000);
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      console.log(`  ${line}`);
      const address = /http:\/\/\S+/.exec(line)?.[0];
      if (address === undefined) continue;
      const response = await fetch(address);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /<html/i);
      console.log(`  ${address} answers`);
      return;
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.equal(child.exitCode, 0, `${command} ended with ${child.exitCode ?? child.signalCode}`);
    assert.ok(!command.includes("npm start"), `${command} printed no address`);
  } finally {
    clearTimeout(timer);
    end(child);
  }
}

/** Ends a command and what it has started. */
function end(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

try {
  execFileSync("git", ["clone", "--quiet", root, folder]);
  const blocks = readFileSync(join(folder, "README.md"), "utf8").matchAll(/^```sh\n(.*?)^```$/gms);
  const commands = Array.from(blocks, ([, block]) => block!.trim());
  assert.ok(
    commands.some((command) => command.includes("npm start")),
    "the README does not say how to start",
  );
  for (const command of commands) if (!command.includes("npm test")) await follow(command);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
