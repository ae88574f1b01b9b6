// Takes the pictures of docs/ from a running page that has an hour or so of data:
//
//   node internal/page/browser/scenarios/pictures.mjs http://127.0.0.1:3000/ docs TOOLS CHROME
//
// TOOLS is the folder in the user's cache that the browser tests made
// (clickstream/browser-...), CHROME the path of a Chrome or Chromium.

import { createRequire } from "node:module";
import path from "node:path";

const [url, out, tools, chrome] = process.argv.slice(2);
const { chromium } = createRequire(path.join(tools, "package.json"))("playwright-core");
const browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox", "--force-color-profile=srgb"] });

const wide = { viewport: { width: 1360, height: 1120 }, deviceScaleFactor: 1.25 };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const shop = "board=clickstream-shop&range=5m", health = "board=clickstream-health&range=5m";

for (const [name, query, options, full] of [
  ["page-light", shop, { ...wide, colorScheme: "light" }, true],
  ["page-dark", shop, { ...wide, colorScheme: "dark" }, true],
  ["page-health", health, { ...wide, colorScheme: "dark" }, false],
  ["page-phone", shop, { ...phone, colorScheme: "light" }, false],
]) {
  const context = await browser.newContext({ ...options, locale: "en-US", timezoneId: "UTC" });
  const page = await context.newPage();
  await page.goto(`${url}?${query}`);
  await page.waitForFunction(() => document.querySelector("[data-panel]") && !document.querySelector('[data-state="loading"]'));
  await page.waitForFunction(() => document.body.dataset.link === "live" && !document.querySelector(".late:not([hidden])"), null, { timeout: 60000 }).catch(() => {});
  await page.waitForTimeout(12000); // axes hold still for 8 s before they shrink
  await page.screenshot({ path: path.join(out, `${name}.png`), fullPage: full });
  await context.close();
}
await browser.close();
