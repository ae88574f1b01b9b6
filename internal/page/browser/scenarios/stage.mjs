// What every scenario stands on: pages that are watched for errors, and the page's
// figures as a person reads them.

import assert from "node:assert/strict";

export const shop = "clickstream-shop", health = "clickstream-health";

export class Stage {
  constructor(props) {
    Object.assign(this, props);
    this.trouble = [];
    this.contexts = [];
    this.allowed = /^$/;
  }

  // open shows a board and waits until every panel has its first answer.
  async open(query = `board=${shop}`, options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: "light", ...options });
    this.contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    page.on("console", (m) => { if (["error", "warning"].includes(m.type())) this.trouble.push(`console: ${m.text()}`); });
    page.on("pageerror", (e) => this.trouble.push(`page error: ${e.stack}`));
    page.on("dialog", (d) => { this.trouble.push(`dialog: ${d.message()}`); d.dismiss(); });
    page.on("request", (r) => { if (!r.url().startsWith(this.url) && !r.url().startsWith("data:")) this.trouble.push(`request to ${r.url()}`); });
    await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
    await page.goto(this.url + (query ? "?" + query : ""));
    if (!options.bare) await this.ready(page);
    return page;
  }

  async ready(page) {
    await page.waitForFunction(() => document.querySelector("[data-panel]") && !document.querySelector('[data-state="loading"]'));
  }

  // items are the figures of a panel: label to exact value.
  items(page, id) {
    return page.$$eval(`[data-panel="${id}"] .body [data-label]`, (all) => Object.fromEntries(all.map((e) => [e.dataset.label, e.dataset.value === "" ? null : Number(e.dataset.value)])));
  }

  // cells are the body of a table: its rows as shown.
  cells(page, id) {
    return page.$$eval(`[data-panel="${id}"] tbody tr`, (rows) => rows.map((r) => [...r.children].map((c) => c.textContent)));
  }

  // titled is the id of the panel with this title.
  async titled(page, title) {
    const id = await page.$$eval("[data-panel]", (all, want) => all.find((p) => p.querySelector("h2").textContent === want)?.dataset.panel, title);
    assert.ok(id, `no panel "${title}" on the board`);
    return id;
  }

  // until polls the page until check, run in it, is true.
  until(page, check, args, timeout = 15000) {
    return page.waitForFunction(check, args, { timeout, polling: 50 });
  }

  link(page, state, timeout = 15000) {
    return this.until(page, (want) => document.body.dataset.link === want, state, timeout);
  }

  check() {
    const bad = this.trouble.filter((t) => !this.allowed.test(t));
    assert.deepEqual(bad, [], "the page must not complain, ask outside or break its policy");
  }

  async close() {
    for (const context of this.contexts) await context.close().catch(() => {});
  }
}
