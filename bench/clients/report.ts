/** What each client tells. */
import process from "node:process";

/** Starts a load, and prints what it did in so many seconds. */
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
