// Finds Chromium on this machine and opens it for a test. playwright-core brings no browser of its own, and runs
// on Node, Bun and Deno alike when it is imported by its bare name (under Deno the path of its file would not do:
// only the bare name goes through the package's own description, which says that it is CommonJS).

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { type Browser, chromium } from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The path of Chromium: what CHROMIUM names, else the first found on the PATH or in /usr/bin. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM;
  if (named) return runs(named) ? named : undefined;
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    "/usr/bin",
  ];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(runs);
}

/** Opens Chromium without a window. Each launch has a new, empty profile, which goes when the browser closes. */
export function openBrowser(path: string): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    headless: true,
    timeout: 30_000,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
