/** The output of each client. */
import process from "node:process";

/** Starts a load, and prints its messages and the CPU time of this process in `seconds` seconds. */
export async function report(seconds: number, start: (count: () => void) => Promise<void>): Promise<never> {
  let messages = 0;
  await start(() => messages++);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(500);
  const [before, cpu] = [messages, process.cpuUsage()];
  await pause(seconds * 1000);
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ messages: messages - before, cpuSeconds: (user + system) / 1e6 }));
  process.exit(0);
}
