/**
 * Runs the files it is given one after another, as many as a process can take, since a process of its own for each is
 * slow to start. Behind each a line that begins with the mark says that it is over, and with what error.
 */

import process from "node:process";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

const [mark, ...files] = process.argv.slice(2);
for (const file of files) {
  let error = "";
  try {
    await import(pathToFileURL(file).href);
    // What it has not waited for, and is due, is its own.
    await new Promise((resolve) => setTimeout(resolve));
  } catch (thrown) {
    error = inspect(thrown);
  }
  console.log(mark + JSON.stringify(error));
}
