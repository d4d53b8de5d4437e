// The page of a run in a real browser: what it draws, what a person does with it, live and a million steps. Pictures
// of it are left beside the files. `make browser` runs it, with the folder of those files and the viewers' program.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [folder, monitor] = process.argv.slice(2).map((path) => resolve(path));
const browsers = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = browsers.find((path) => path && existsSync(path));
if (!executablePath) {
  console.error("no browser: install Debian's chromium, or name one by CHROMIUM");
  process.exit(1);
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function open(address, name, look) {
  const page = await browser.newPage({ viewport: { width: 1500, height: 950 } });
  const errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    // Offline: nothing but the file itself, or the viewer's own server.
    if (!/^(file:|data:|blob:|http:\/\/127\.0\.0\.1:)/.test(request.url())) errors.push(`asked for ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForFunction("data.steps > 0 && document.querySelector('tbody tr')", null, { timeout: 60_000 });
  await look(page);
  await page.screenshot({ path: `${folder}/${name}.png` });
  assert.deepEqual(errors, [], `${name}: the console`);
  await page.close();
  console.log(`${name}: well`);
}

// How many pixels of the lanes have a colour.
const pixels = (page, colour) => page.evaluate((colour) => {
  draw();
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colours[colour].slice(at, at + 2), 16));
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += data[i] === r && data[i + 1] === g && data[i + 2] === b;
  return count;
}, colour);
const text = (page, selector) => page.locator(selector).innerText();

async function restaurant(page) {
  assert.equal(await text(page, "#program"), "python restaurant.py");
  assert.match(await text(page, "#about"), /9 tasks/);
  assert.match(await text(page, "#legend"), /running.*ready.*suspended/s);
  for (const colour of ["run", "suspended"]) assert.ok(await pixels(page, colour) > 50, colour);
  // Table and lanes have the same tasks; the search leaves those that fit.
  assert.equal(await page.locator("tbody tr").count(), 9);
  await page.keyboard.press("/");
  await page.keyboard.type("orders");
  assert.deepEqual(await page.locator("tbody tr td:first-child").allInnerTexts(), ["cook"]);
  await page.fill("#search", "");
  // A task by its row: in sight, and told in detail.
  await page.locator("tbody tr", { hasText: "guest-1" }).click();
  assert.match(await text(page, "#detail"), /guest-1 {2}dine\s+made by main\s+made at restaurant\.py:12\s+COMPLETED/);
  // Zoom by the wheel and by key, and all of it again.
  await page.keyboard.press("f");
  const span = () => page.evaluate("view.to - view.from"), whole = await span();
  await page.mouse.move(900, 200);
  await page.mouse.wheel(0, -600);
  await page.waitForFunction(`view.to - view.from < ${whole / 2}`);
  await page.keyboard.press("w");
  assert.ok(await span() < whole / 3);
  await page.keyboard.press("f");
  assert.equal(await span(), whole);
  // The head of a column sorts by it, and once more the other way.
  const steps = () => page.locator("tbody tr td:nth-child(5)").allInnerTexts();
  await page.locator("th", { hasText: "steps" }).click();
  const down = (await steps()).map(Number);
  assert.deepEqual(down, [...down].sort((a, b) => b - a));
  // A step by a click: the last one of whom nobody covers.
  const [x, y] = await page.evaluate(`(() => {
    const row = view.lanes.findIndex((lane) => lane.name === "main"), lane = view.lanes[row], box = canvas.getBoundingClientRect();
    const step = lane.steps.array[0];
    return [box.x + xOf(columns.start.array[step] + columns.run.array[step] / 2), box.y + RULER + row * LANE - view.top + LANE / 2];
  })()`);
  await page.mouse.click(x, y);
  assert.match(await text(page, "#detail"), /step at .*\s+ran for .*\s+was ready for/);
  await page.keyboard.press("Escape");
  assert.match(await text(page, "#detail"), /No step took 100 ms or more/);
}

await open(`file://${folder}/restaurant.html`, "restaurant", restaurant);
await open(`file://${folder}/deadlock.html`, "deadlock", async (page) => {
  assert.match(await text(page, "table"), /Lock (left|right)/);
  assert.match(await text(page, "#detail"), /deadlock: \w+ waits for Lock (left|right), held by \w+; \w+ waits/);
});
await open(`file://${folder}/blocked.html`, "blocked", async (page) => {
  assert.match(await text(page, "#detail"), /1 step of 100 ms or more:\s+\S+ m?s {2}blocker/);
  assert.ok(await pixels(page, "blocked") > 1000);
  await page.locator("#detail a").first().click();
  assert.match(await text(page, "#detail"), /blocker {2}block[^]*step at/);
});
await open(`file://${folder}/million.html`, "million", async (page) => {
  assert.match(await text(page, "#about"), /1,000,000 steps/);
  // A frame costs what it shows. Of many the middle one: the machine may be busy, and draw by its processor alone.
  const frames = await page.evaluate(`(() => {
    const took = [];
    for (let turn = 0; turn < 60; turn++) { zoom(800, turn < 30 ? 0.8 : 1.25); draw(); took.push(view.frame); }
    return took.sort((a, b) => a - b);
  })()`);
  console.log(`million: frames of ${frames[30].toFixed(1)} ms, the longest ${frames[59].toFixed(1)} ms`);
  assert.ok(frames[30] < 50, `frames of ${frames[30]} ms`);
});

const viewer = spawn(monitor, ["web", `${folder}/restaurant.loop`], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const [address] = await new Promise((done) => createInterface({ input: viewer.stdout }).once("line", (line) => done([line])));
  await open(address, "live", async (page) => {
    assert.match(await text(page, "#about"), /live.*9 tasks/);
    assert.equal(await page.locator("tbody tr").count(), 9);
  });
} finally {
  viewer.kill();
}
await browser.close();
