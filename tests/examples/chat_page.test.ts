// The page of the chat example in a real browser. The server under test is examples/chat/main.ts, run by the
// runtime which runs this file; what the server need not take part in (a refused join, a flood, a close code)
// is played to the page in its place.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Locator, Page, WebSocketRoute } from "playwright-core";
import { findChromium, openBrowser } from "./browser.ts";

const chromium = findChromium();
const skip = chromium === undefined
  ? "Chromium was not found: the chat page was not tested in a browser"
  : false;
const options = { skip, timeout: 60_000 };

// ---- the server ---------------------------------------------------------------------------------------

const main = fileURLToPath(new URL("../../examples/chat/main.ts", import.meta.url));

interface Server {
  url: string;
  port: number;
  linePort: number;
  stop(): Promise<void>;
}

async function startServer(port = 0, linePort = 0): Promise<Server> {
  const child: ChildProcess = spawn(
    process.execPath,
    process.versions.deno === undefined ? [main] : ["run", "-A", main],
    {
      env: { ...process.env, PORT: String(port), LINE_PORT: String(linePort), HOST: "127.0.0.1" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let printed = "";
  const doors = new Promise<[string, string]>((resolve, reject) => {
    const read = (part: string) => {
      printed += part;
      const page = /chat: http:\/\/[^\s]*?:(\d+)\//.exec(printed);
      const line = /line door: \S*?:(\d+)\s/.exec(printed);
      if (page && line) resolve([page[1] ?? "", line[1] ?? ""]);
    };
    child.stdout?.setEncoding("utf8").on("data", read);
    child.stderr?.setEncoding("utf8").on("data", read);
    child.once("error", reject);
    void ended.then(() => reject(new Error(`the chat server ended before it listened:\n${printed}`)));
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(force);
  };
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [page, line] = await doors.finally(() => clearTimeout(late));
  return { url: `http://127.0.0.1:${page}/`, port: Number(page), linePort: Number(line), stop };
}

// ---- the line client ----------------------------------------------------------------------------------

interface Message {
  type: string;
  name?: string;
  text?: string;
  at?: string;
  members?: string[];
}

/** Talks to the line door: one JSON object a line. */
class LineClient {
  readonly heard: Message[] = [];
  #socket: Socket;
  #rest = "";
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setEncoding("utf8");
    this.#socket.on("error", () => {}); // the server may go first
    this.#socket.on("data", (part: string) => {
      const lines = (this.#rest + part).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.heard.push(JSON.parse(line) as Message);
      this.#wake();
    });
  }

  send(message: { type: string; room?: string; name?: string; text?: string }): void {
    this.#socket.write(JSON.stringify(message) + "\n");
  }

  /** Waits until a message fits, among those heard already too. One wait at a time. */
  async hears(fits: (message: Message) => boolean): Promise<Message> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, 30_000);
    try {
      for (;;) {
        const found = this.heard.find(fits);
        if (found) return found;
        assert.equal(late, false, `not among what the line client heard: ${JSON.stringify(this.heard)}`);
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

// ---- the browser --------------------------------------------------------------------------------------

let browser: Browser;
let server: Server;

before(async () => {
  if (chromium === undefined) return;
  [browser, server] = await Promise.all([openBrowser(chromium), startServer()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

interface Visit {
  page: Page;
  /** What a sound page never has: uncaught errors, dialogs and breaches of the content security policy. */
  faults: string[];
  close(): Promise<void>;
}

async function visit(address: string, how: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(how);
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/content.security.policy/i.test(message.text())) faults.push(message.text());
  });
  const response = await page.goto(address);
  assert.equal(response?.status(), 200);
  const policy = response?.headers()["content-security-policy"] ?? "";
  assert.match(policy, /default-src 'none'/);
  return { page, faults, close: () => context.close() };
}

async function join(page: Page, name: string): Promise<void> {
  await page.locator("#name").fill(name);
  await page.locator("#join").click();
  await state(page, "connected");
}

const state = (page: Page, name: string) => page.locator(`#status[data-state="${name}"]`).waitFor();
const says = async (page: Page, text: string) => {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
};
const message = (page: Page, text: string) => page.locator("#log .msg").filter({ hasText: text });
const counts = (page: Page, n: number) =>
  page.locator("#count").filter({ hasText: new RegExp(`^${n}$`) }).waitFor();
const members = async (page: Page) => (await page.locator("#members bdi").allTextContents()).sort();
const typingIs = (page: Page, words: string) =>
  page.locator("#typing").filter({ hasText: new RegExp(`^${words}$`) }).waitFor({ state: "attached" });
const focused = (locator: Locator) => locator.and(locator.page().locator(":focus")).waitFor();

/** Plays the server to the page; the page itself still comes from the real one. */
async function played(
  answer: (
    message: { type: string; room?: string; name?: string; text?: string },
    ws: WebSocketRoute,
  ) => void,
): Promise<Visit> {
  const context = await browser.newContext();
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  await page.routeWebSocket("**/ws", (ws) => {
    ws.onMessage((data) => answer(JSON.parse(String(data)), ws));
  });
  await page.goto(server.url);
  return { page, faults, close: () => context.close() };
}

const tell = (ws: WebSocketRoute, ...messages: unknown[]) => {
  for (const each of messages) ws.send(JSON.stringify(each));
};

// ---- with the real server -----------------------------------------------------------------------------

test("two browsers and a line client talk in one room", options, async () => {
  const room = "studio b";
  const address = server.url + "#" + encodeURIComponent(room);
  const [a, b] = [await visit(address), await visit(address)];
  const c = new LineClient(server.linePort);
  try {
    await join(a.page, "ann");
    await join(b.page, "bob");
    c.send({ type: "join", room, name: "cy" });
    const welcome = await c.hears((m) => m.type === "welcome");
    assert.deepEqual(welcome.members?.slice().sort(), ["ann", "bob", "cy"]);
    for (const { page } of [a, b]) {
      await counts(page, 3);
      assert.deepEqual(await members(page), ["ann", "bob", "cy"]);
    }
    await a.page.locator("#log").getByText("cy joined").waitFor();

    const began = Date.now();
    await says(a.page, "from ann");
    await c.hears((m) => m.text === "from ann");
    await says(b.page, "from bob");
    await c.hears((m) => m.text === "from bob");
    c.send({ type: "say", text: "from cy" });
    for (const { page } of [a, b]) {
      await message(page, "from cy").waitFor();
      for (const who of ["ann", "bob", "cy"]) {
        const one = message(page, `from ${who}`);
        assert.equal(await one.count(), 1, `${who}'s text is there once`);
        const at = Date.parse(await one.locator("time").getAttribute("datetime") ?? "");
        assert.ok(Math.abs(at - began) < 60_000, "its time is now");
        assert.match(await one.locator("time").innerText(), /\d/);
      }
    }
    await c.hears((m) => m.text === "from cy");
    assert.deepEqual(
      c.heard.filter((m) => m.type === "said").map((m) => [m.name, m.text]),
      [["ann", "from ann"], ["bob", "from bob"], ["cy", "from cy"]],
    );
    assert.equal(await message(a.page, "from ann").locator(".who").innerText(), "You");
    assert.equal(await message(a.page, "from bob").locator(".who").innerText(), "bob");
    assert.equal(await message(b.page, "from ann").locator(".who").innerText(), "ann");

    c.close();
    for (const { page } of [a, b]) {
      await page.locator("#log").getByText("cy left").waitFor();
      await counts(page, 2);
      assert.deepEqual(await members(page), ["ann", "bob"]);
    }
    await b.page.locator("#leave").click();
    await b.page.locator("#join-form").waitFor();
    await counts(a.page, 1);
    assert.deepEqual([...a.faults, ...b.faults], []);
  } finally {
    c.close();
    await a.close();
    await b.close();
  }
});

test("the page shows who is typing", options, async () => {
  const address = server.url + "#typing";
  const [a, b] = [await visit(address), await visit(address)];
  const c = new LineClient(server.linePort);
  try {
    await join(a.page, "Ann");
    await join(b.page, "Ben");
    c.send({ type: "join", room: "typing", name: "Cy" });
    await c.hears((m) => m.type === "welcome");
    await counts(a.page, 3);
    const line = a.page.locator("#typing");
    assert.equal(await line.getAttribute("aria-live"), "polite");
    const before = await a.page.locator("#log").boundingBox();
    await b.page.locator("#text").pressSequentially("hello there");
    await line.getByText("Ben is typing…", { exact: true }).waitFor();
    await c.hears((m) => m.type === "typing" && m.name === "Ben");
    assert.equal(c.heard.filter((m) => m.type === "typing").length, 1, "once for many keys");
    c.send({ type: "typing" });
    await typingIs(a.page, "Ben and Cy are typing…");
    assert.deepEqual(await a.page.locator("#log").boundingBox(), before, "nothing moves");
    await typingIs(b.page, "Cy is typing…");

    await b.page.locator("#text").press("Enter");
    await message(a.page, "hello there").waitFor();
    await typingIs(a.page, "Cy is typing…");
    c.close();
    await typingIs(a.page, "");
    // The next text is told of at once.
    await b.page.locator("#text").pressSequentially("x");
    await typingIs(a.page, "Ben is typing…");
    await b.page.locator("#leave").click();
    await typingIs(a.page, "");
    assert.deepEqual([...a.faults, ...b.faults], []);
  } finally {
    c.close();
    await a.close();
    await b.close();
  }
});

test("the pages come back by themselves when the server has gone and is back", options, async () => {
  let own = await startServer();
  const address = own.url + "#back";
  const [a, b] = [await visit(address), await visit(address)];
  try {
    await join(a.page, "ann");
    await join(b.page, "bob");
    await counts(a.page, 2);
    await says(a.page, "before");
    await message(b.page, "before").waitFor();

    await own.stop();
    const without = '#status:is([data-state="waiting"], [data-state="offline"])'; // offline: a machine without network
    for (const { page } of [a, b]) await page.locator(without).waitFor();
    await a.page.getByText(/in \d+ s/).waitFor();
    await a.page.getByText(/Not connected: what you write stays here/).waitFor();
    await a.page.locator("#text").fill("kept");
    await a.page.locator("#text").press("Enter");
    assert.equal(await a.page.locator("#text").inputValue(), "kept");
    assert.equal(await a.page.locator("#send").isDisabled(), true);

    own = await startServer(own.port, own.linePort);
    for (const { page } of [a, b]) {
      await state(page, "connected");
      await counts(page, 2);
      assert.deepEqual(await members(page), ["ann", "bob"]);
    }
    await a.page.locator("#text").press("Enter");
    await message(b.page, "kept").waitFor();
    await says(b.page, "and bob too");
    await message(a.page, "and bob too").waitFor();
    for (const { page } of [a, b]) {
      assert.equal(await message(page, "before").count(), 1, "the conversation is still there");
      assert.equal(await message(page, "kept").count(), 1);
    }
    assert.deepEqual([...a.faults, ...b.faults], []);
  } finally {
    await a.close();
    await b.close();
    await own.stop();
  }
});

test("markup in a name or a message stays text", options, async () => {
  const name = "<img src=x onerror=pwned=1>"; // within the 32 characters of a name
  const text = '<img src=x onerror="window.pwned=1;alert(1)"><script>window.pwned=1</script>';
  const [a, b] = [await visit(server.url + "#markup"), await visit(server.url + "#markup")];
  try {
    await join(a.page, name);
    await join(b.page, "bob");
    await counts(a.page, 2);
    await says(a.page, text);
    for (const { page } of [a, b]) {
      await message(page, text).waitFor();
      await message(page, text).locator(".words").getByText(text, { exact: true }).waitFor();
      await page.locator("#members").getByText(name, { exact: true }).waitFor();
    }
    await a.page.locator("#leave").click();
    await b.page.locator("#log").getByText(`${name} left`).waitFor();
    for (const { page } of [a, b]) {
      assert.equal(await page.locator("img, #log script, #members script").count(), 0);
      assert.equal(await page.evaluate(() => "pwned" in globalThis), false);
    }
    assert.deepEqual([...a.faults, ...b.faults], []);
  } finally {
    await a.close();
    await b.close();
  }
});

test("the keyboard is enough to join, to send and to leave", options, async () => {
  const { page, faults, close } = await visit(server.url + "#first");
  try {
    await focused(page.locator("#name"));
    await page.keyboard.press("Enter"); // no name yet
    await page.getByRole("alert").getByText("Choose a name first.").waitFor();
    await focused(page.locator("#name"));
    await page.keyboard.type("kay");
    await page.keyboard.press("Tab");
    await focused(page.locator("#room"));
    assert.equal(await page.locator("#room").inputValue(), "first");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("keys");
    await page.keyboard.press("Enter");
    await state(page, "connected");
    assert.equal(new URL(page.url()).hash, "#keys");
    await focused(page.locator("#text"));
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    await message(page, "one").waitFor();
    assert.equal(await message(page, "one").locator(".words").textContent(), "one\ntwo");
    await page.keyboard.type("three");
    await page.keyboard.press("Tab");
    await focused(page.locator("#send"));
    const outline = await page.locator("#send").evaluate((node) => getComputedStyle(node).outlineStyle);
    assert.equal(outline, "solid", "the focus is seen");
    await page.keyboard.press("Space");
    await message(page, "three").waitFor();
    await focused(page.locator("#text"));
    for (const id of ["members", "log", "leave"]) {
      await page.keyboard.press("Shift+Tab");
      await focused(page.locator(`#${id}`));
    }
    await page.keyboard.press("Enter");
    await focused(page.locator("#name"));
    assert.equal(await page.locator("#name").inputValue(), "kay");
    assert.deepEqual(faults, []);
  } finally {
    await close();
  }
});

test("the room is in the address, and the name is remembered", options, async () => {
  const { page, faults, close } = await visit(server.url + "#north");
  const c = new LineClient(server.linePort);
  try {
    c.send({ type: "join", room: "north", name: "cy" });
    await c.hears((m) => m.type === "welcome");
    assert.equal(await page.locator("#room").inputValue(), "north");
    await join(page, "ann");
    await counts(page, 2);
    await page.getByRole("heading", { name: "north" }).waitFor();

    await page.evaluate(() => location.hash = "#s%C3%BCd");
    await page.getByRole("heading", { name: "süd" }).waitFor();
    await counts(page, 1);
    await c.hears((m) => m.type === "left" && m.name === "ann");
    await page.goBack();
    await page.getByRole("heading", { name: "north" }).waitFor();
    await counts(page, 2);

    await page.reload();
    assert.equal(await page.locator("#name").inputValue(), "ann");
    assert.equal(await page.locator("#room").inputValue(), "north");
    await page.keyboard.press("Enter");
    await state(page, "connected");
    assert.deepEqual(faults, []);
  } finally {
    c.close();
    await close();
  }
});

test("the page fits a phone", options, async () => {
  const { page, faults, close } = await visit(server.url + "#phone", {
    viewport: { width: 360, height: 640 },
    isMobile: true,
    hasTouch: true,
  });
  const fits = async () => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `no sideways scrolling: ${width}`);
    const smallest = await page.locator("input, textarea").evaluateAll((nodes) =>
      Math.min(...nodes.map((node) => parseFloat(getComputedStyle(node).fontSize)))
    );
    assert.ok(smallest >= 16, `inputs do not make the phone zoom: ${smallest}px`);
  };
  const inSight = async (locator: Locator) => {
    const box = await locator.boundingBox();
    assert.ok(box && box.x >= 0 && box.y >= 0 && box.x + box.width <= 360 && box.y + box.height <= 640);
  };
  const others: LineClient[] = [];
  try {
    await fits();
    await page.locator("#name").fill("ann");
    await inSight(page.locator("#join"));
    await page.locator("#join").tap();
    await state(page, "connected");
    for (let i = 1; i <= 8; i++) {
      const other = new LineClient(server.linePort);
      others.push(other);
      other.send({ type: "join", room: "phone", name: `somebody with a long name ${i}` });
      await other.hears((m) => m.type === "welcome");
    }
    await counts(page, 9);
    await says(page, "x".repeat(300));
    await message(page, "xxx").waitFor();
    await fits();
    for (const id of ["text", "send", "leave", "status", "count"]) await inSight(page.locator(`#${id}`));
    assert.deepEqual(faults, []);
  } finally {
    for (const other of others) other.close();
    await close();
  }
});

test("everything has a role and a name", options, async () => {
  const { page, close } = await visit(server.url + "#roles");
  try {
    await page.getByRole("heading", { name: "Jackfield chat", level: 1 }).waitFor();
    await page.getByRole("form", { name: "Join a room" }).waitFor();
    assert.equal(await page.getByRole("status").innerText(), "Not connected");
    await page.getByLabel("Your name", { exact: true }).fill("ann");
    await page.getByLabel("Room", { exact: true }).fill("roles");
    assert.equal(await page.getByLabel("Your name").getAttribute("maxlength"), "32");
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByRole("status").getByText("Connected", { exact: true }).waitFor();
    await page.getByRole("heading", { name: "roles", level: 2 }).waitFor();
    await page.getByRole("heading", { name: "Here now 1" }).waitFor();
    const list = page.getByRole("list", { name: /^Here now/ });
    assert.equal(await list.getByRole("listitem").count(), 1);
    const box = page.getByRole("textbox", { name: "Message", exact: true });
    assert.equal(await box.getAttribute("maxlength"), "2000");
    await box.fill("hello");
    await page.getByRole("button", { name: "Send" }).click();
    const log = page.getByRole("log", { name: "Conversation" });
    await log.getByText("hello", { exact: true }).waitFor();
    assert.equal(await log.getAttribute("aria-live"), "polite");
    await page.getByRole("button", { name: "Leave" }).waitFor();
    await page.getByRole("main").waitFor(); // only one of the two is there at a time
    const nameless = await page.locator("button, input, textarea").evaluateAll((nodes) =>
      nodes.filter((node) => {
        const { labels, textContent } = node as HTMLInputElement;
        return (labels?.length ?? 0) === 0 && (textContent ?? "").trim() === "";
      }).length
    );
    assert.equal(nameless, 0);
  } finally {
    await close();
  }
});

// ---- with a server which is played --------------------------------------------------------------------

test("a refused join brings the form back with the reason", options, async () => {
  const { page, faults, close } = await played((m, ws) => {
    if (m.type !== "join") return;
    if (m.name === "ann") tell(ws, { type: "error", message: "<b>ann</b> is not welcome" });
    else tell(ws, { type: "welcome", room: m.room, members: [m.name] });
  });
  try {
    await page.locator("#name").fill("ann");
    await page.locator("#join").click();
    await page.getByRole("alert").getByText("<b>ann</b> is not welcome", { exact: true }).waitFor();
    await state(page, "offline");
    await focused(page.locator("#name"));
    await join(page, "bob");
    assert.equal(await page.getByRole("alert").count(), 0);
    assert.deepEqual(faults, []);
  } finally {
    await close();
  }
});

test("typing fades, is told every other second, and is bounded", options, async () => {
  let line: WebSocketRoute | undefined;
  const told: unknown[] = [];
  const { page, faults, close } = await played((m, ws) => {
    line = ws;
    if (m.type === "join") tell(ws, { type: "welcome", room: m.room, members: [m.name, "cy", "di", "<b>"] });
    else {
      told.push(m);
      // A refusal of it is no refusal of what is said.
      tell(ws, { type: "error", message: "too much", refused: "typing" });
    }
  });
  try {
    await page.clock.install();
    await join(page, "ann");
    const types = (name: string) => tell(line!, { type: "typing", name });
    types("nobody"); // who is not here does not type
    types("cy");
    await typingIs(page, "cy is typing…");
    await page.clock.runFor(3_000);
    types("<b>");
    await typingIs(page, "cy and <b> are typing…");
    types("di");
    await typingIs(page, "Several people are typing…");
    await page.clock.runFor(2_500);
    await typingIs(page, "<b> and di are typing…");
    types("di");
    await page.clock.runFor(3_000);
    await typingIs(page, "di is typing…");
    await page.clock.runFor(3_000);
    await typingIs(page, "");
    types("cy");
    await typingIs(page, "cy is typing…");

    await page.locator("#text").pressSequentially("   ");
    assert.deepEqual(told, [], "blanks are nothing");
    await page.locator("#text").pressSequentially("four keys");
    await page.clock.runFor(2_100);
    await page.locator("#text").pressSequentially("and more");
    types("di");
    await typingIs(page, "cy and di are typing…");
    assert.deepEqual(told, [{ type: "typing" }, { type: "typing" }]);
    assert.equal(await page.getByRole("alert").count(), 0, "and the refusal is not told");

    const joined = page.locator("#log").getByText("You are back.");
    void line!.close({ code: 1001, reason: "" });
    await typingIs(page, "");
    await page.clock.runFor(1_000);
    await joined.waitFor();
    assert.deepEqual(faults, []);
  } finally {
    await close();
  }
});

test("unknown messages are ignored, a refused message goes back to the box", options, async () => {
  const { page, faults, close } = await played((m, ws) => {
    if (m.type === "join") {
      ws.send("not JSON");
      tell(ws, null, 7, [], { type: "novelty" }, { type: "welcome" });
      tell(ws, { type: "welcome", room: m.room, members: [m.name], more: {} });
      tell(ws, { type: "said", name: "cy", text: "after", at: "no time" });
    } else if (m.type === "say") tell(ws, { type: "error", message: "too fast" });
  });
  try {
    await join(page, "ann");
    await message(page, "after").waitFor();
    await says(page, "mine");
    await page.getByRole("alert").getByText("too fast").waitFor();
    assert.equal(await page.locator("#text").inputValue(), "mine");
    assert.equal(await message(page, "mine").count(), 0);
    await state(page, "connected");
    assert.deepEqual(faults, []);
  } finally {
    await close();
  }
});

test("the page stays bounded, and scrolls by itself only from the bottom", options, async () => {
  let line: WebSocketRoute | undefined;
  const { page, faults, close } = await played((m, ws) => {
    line = ws;
    if (m.type === "join") tell(ws, { type: "welcome", room: m.room, members: [m.name, "cy"] });
  });
  const flood = (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      if (line) tell(line, { type: "said", name: "cy", text: `line ${i}.`, at: new Date().toISOString() });
    }
  };
  const log = page.locator("#log");
  const fromBottom = () => log.evaluate((node) => node.scrollHeight - node.clientHeight - node.scrollTop);
  try {
    await join(page, "ann");
    flood(0, 1200);
    await message(page, "line 1199.").waitFor();
    assert.equal(await log.evaluate((node) => node.childElementCount), 500);
    assert.ok(await fromBottom() < 2, "the newest is in view");

    await log.evaluate((node) => node.scrollTop = node.scrollHeight / 2);
    await log.evaluate(() => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen))));
    flood(1200, 1203);
    const newer = page.getByRole("button", { name: "3 new messages" });
    await newer.waitFor();
    assert.ok(await fromBottom() > 100, "the reader is left where they were");
    await newer.click();
    assert.ok(await fromBottom() < 2);
    assert.equal(await page.locator("#newer").isVisible(), false);
    await focused(page.locator("#text"));
    flood(1203, 1204);
    await message(page, "line 1203.").waitFor();
    assert.ok(await fromBottom() < 2);

    // A whole room that comes and goes takes one line, not the conversation's place.
    if (line) {
      for (let i = 0; i < 600; i++) tell(line, { type: "joined", name: `n${i}` });
    }
    await counts(page, 602);
    await log.getByText("n0, n1, n2 and 597 more joined").waitFor();
    assert.equal(await page.locator("#members li").count(), 201);
    assert.deepEqual(faults, []);
  } finally {
    await close();
  }
});

for (const code of [1001, 1013]) {
  test(`the page comes back after a close with ${code}`, options, async () => {
    const joins: unknown[] = [];
    let lost = "";
    const { page, faults, close } = await played((m, ws) => {
      if (m.type === "join") {
        joins.push(m);
        tell(ws, { type: "welcome", room: m.room, members: [m.name] });
      } else if (m.type === "say") {
        lost = m.text ?? "";
        void ws.close({ code, reason: "" }); // before the message was said to anyone
      }
    });
    try {
      await page.locator("#room").fill("again");
      await join(page, "ann");
      await says(page, "unheard");
      await page.locator("#log").getByText("You are back.").waitFor();
      await state(page, "connected");
      assert.equal(lost, "unheard");
      assert.equal(await page.locator("#text").inputValue(), "unheard", "what was not said is not lost");
      assert.deepEqual(joins, Array(2).fill({ type: "join", room: "again", name: "ann" }));
      assert.deepEqual(faults, []);
    } finally {
      await close();
    }
  });
}
