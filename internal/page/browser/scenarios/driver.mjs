// Holds the browser and plays scenarios. Reads {"run": name, "url": ...} and answers
// of services from stdin, writes calls, logs and outcomes to stdout, a line each.
//
//   node driver.mjs FOLDER_WITH_NODE_MODULES [CHROME]

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Stage } from "./stage.mjs";
import * as look from "./look.mjs";
import * as use from "./use.mjs";
import * as life from "./life.mjs";
import * as doors from "./doors.mjs";

const scenarios = { ...look, ...use, ...life, ...doors };
const [folder, chrome] = process.argv.slice(2);
const require = createRequire(path.join(folder, "package.json"));
const { chromium } = require("playwright-core");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

// go asks the test for a service and waits for its answer.
async function go(call, args = null) {
  say({ call, args });
  const { value, error } = JSON.parse((await lines.next()).value);
  if (error) throw new Error(error);
  return value;
}

// launch starts the given browser, or the one of the npm package.
async function launch() {
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"];
  if (chrome) return chromium.launch({ executablePath: chrome, args });
  const { default: packaged } = await import(pathToFileURL(require.resolve("@sparticuz/chromium")));
  return chromium.launch({ executablePath: await packaged.executablePath(), args });
}

const browser = await launch();
say({ log: `browser ${browser.version()}` });
for (;;) {
  const { value, done } = await lines.next();
  if (done) break;
  const { run, url } = JSON.parse(value);
  const stage = new Stage({ browser, url, go, log: (log) => say({ log }), axe: require.resolve("axe-core/axe.min.js") });
  let failure = "";
  try {
    await scenarios[run](stage);
    stage.check();
  } catch (error) {
    failure = String(error.stack ?? error);
  }
  await stage.close();
  say({ done: true, failure });
}
await browser.close();
