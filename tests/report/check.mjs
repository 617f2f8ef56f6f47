// Looks at pages of `kvbackup report` in a browser: node check.mjs [--shots DIR] PAGE..
// For each page, in light and dark, at 1,280 and 380 pixels: axe-core finds nothing, nothing is wider than the window, nothing
// is loaded, no script runs, and names are text. With --shots it leaves a picture of each.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const arguments_ = process.argv.slice(2);
const shots = arguments_[0] === "--shots" ? arguments_.splice(0, 2)[1] : undefined;
if (arguments_.length === 0) throw new Error("usage: node check.mjs [--shots DIR] PAGE..");
if (shots) mkdirSync(shots, { recursive: true });

// CHROMIUM names the browser; by default it is the one of the system.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let failures = 0;
const fail = (what, problem) => { failures += 1; console.error(`${what}: ${problem}`); };

for (const file of arguments_) {
  const url = pathToFileURL(resolve(file)).href;
  for (const width of [1280, 380]) {
    for (const colorScheme of ["light", "dark"]) {
      const what = `${basename(file, ".html")}-${width}-${colorScheme}`;
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: false });
      const page = await context.newPage();
      page.on("request", (request) => { if (request.url() !== url) fail(what, `loads ${request.url()}`); });
      page.on("dialog", (dialog) => { fail(what, `a script ran: ${dialog.message()}`); return dialog.dismiss(); });
      page.on("console", (message) => fail(what, `the console says ${message.text()}`));
      await page.goto(url);
      for (const problem of await page.evaluate(lookAround)) fail(what, problem);
      if (shots) await page.screenshot({ path: `${shots}/${what}.png`, fullPage: true, clip: await clip(page, width) });
      // The policy of the page keeps also axe-core from running as a script of the page; evaluating it does not ask the policy.
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const rule of found.violations) fail(what, `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(" | ")}`);
      console.log(`${what}: ${found.passes.length} rules of axe-core hold`);
      if (shots && width === 1280 && colorScheme === "dark") await page.pdf({ path: `${shots}/${basename(file, ".html")}.pdf`, format: "A4" });
      await context.close();
    }
  }
}
await browser.close();
if (failures > 0) { console.error(`${failures} failures`); process.exit(1); }

// Pictures of very long pages end somewhere.
async function clip(page, width) {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  return { x: 0, y: 0, width, height: Math.min(height, 12000) };
}

function lookAround() {
  const problems = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.push(`scrolls sideways: ${document.documentElement.scrollWidth} > ${width}`);
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    const isHidden = element.closest("thead") || element.closest("svg") !== null && element.tagName !== "svg" && element.tagName !== "text";
    if (!isHidden && box.width > 0 && (box.right > width + 1 || box.left < -1)) problems.push(`<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> reaches from ${box.left} to ${box.right}`);
  }
  for (const name of ["script", "img", "iframe", "link", "object", "embed", "form", "base"]) {
    if (document.querySelector(name)) problems.push(`has a <${name}>`);
  }
  for (const element of document.querySelectorAll("*")) {
    for (const { name } of element.attributes) if (name.startsWith("on")) problems.push(`has the attribute ${name}`);
  }
  return problems.slice(0, 10);
}
