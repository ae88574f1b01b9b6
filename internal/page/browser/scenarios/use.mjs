// What people do: addresses, choices, keys, pause, tables.

import assert from "node:assert/strict";
import { shop, health } from "./stage.mjs";

const pressed = (page) => page.textContent('#ranges [aria-pressed="true"]');

// address: it holds the choice, and leads back.
export async function address(stage) {
  const page = await stage.open(`board=${health}&range=1h`);
  assert.equal(await page.textContent("h1"), "Pipeline health");
  assert.equal(await pressed(page), "1h");
  await page.click(".tabs a:has-text('Shop')");
  await stage.until(page, () => document.querySelector("h1").textContent === "Shop");
  assert.match(page.url(), new RegExp(`board=${shop}`));
  await page.goBack();
  await stage.until(page, () => document.querySelector("h1").textContent === "Pipeline health");
  const lost = await stage.open("board=no-such-board&range=soon");
  assert.equal(await lost.textContent("h1"), "Shop", "an unknown board leads home");
}

// variables: a choice narrows every panel, is in the address, and survives a reload.
export async function variables(stage) {
  const page = await stage.open(`board=${shop}&range=15m`);
  const donut = await stage.titled(page, "Events by type");
  await page.click(".variable:first-child .select");
  await page.click('.options label:has(input[value="purchase"])');
  const alone = (id) => {
    const all = [...document.querySelectorAll(`[data-panel="${id}"] [data-label]`)].filter((e) => Number(e.dataset.value) > 0);
    return all.length === 1 && all[0].dataset.label === "purchase";
  };
  await stage.until(page, alone, donut);
  assert.match(page.url(), /var-type=purchase/);
  await page.reload();
  await stage.until(page, alone, donut);
  await page.keyboard.press("Escape");
  const odd = await stage.open(`board=${shop}&var-type=${encodeURIComponent("'; DROP TABLE events; --")}&var-product=${encodeURIComponent('"><b>\u202E🛒')}`);
  assert.equal(await odd.$$eval(".error:not([hidden])", (all) => all.length), 0, "a hostile choice is a choice without rows");
}

// keyboard: everything works without a mouse, and shows where it is.
export async function keyboard(stage) {
  const page = await stage.open(`board=${shop}`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const el = document.activeElement, style = getComputedStyle(el);
      return { what: el.outerHTML.slice(0, 80), outline: style.outlineStyle, box: el.getBoundingClientRect().width };
    });
    assert.ok(seen.outline !== "none" && seen.box > 0, `no visible focus on ${seen.what}`);
  }
  await page.evaluate(() => document.activeElement.blur());
  for (const [key, range] of [["3", "1h"], ["5", "24h"], ["2", "15m"], ["1", "5m"]]) {
    await page.keyboard.press(key);
    assert.equal(await pressed(page), range);
    assert.match(page.url(), new RegExp(`range=${range}`));
  }
  await page.keyboard.press("t");
  assert.equal(await page.getAttribute("html", "data-theme"), "light");
  await page.keyboard.press("?");
  assert.ok(await page.isVisible("#help"));
  assert.match(await page.textContent("#keys"), /pause[\s\S]*range[\s\S]*theme/);
  await page.keyboard.press("Escape");
  assert.equal(await page.isVisible("#help"), false);
  await page.keyboard.press("b");
  await stage.until(page, () => document.querySelector("h1").textContent !== "Shop");
}

// pause: nothing moves until it is lifted, then what was missed is there.
export async function pause(stage) {
  const page = await stage.open(`board=${shop}&range=15m`);
  const donut = await stage.titled(page, "Events by type");
  const before = (await stage.items(page, donut)).purchase;
  await page.keyboard.press(" ");
  assert.equal(await page.textContent("#state"), "Paused");
  assert.equal(await page.getAttribute("#pause", "aria-pressed"), "true");
  const still = () => page.evaluate(() => document.querySelector("#board").innerHTML);
  await page.evaluate(() => new Promise((done) => setTimeout(done, 300))); // what was under way
  const frozen = await still();
  await stage.go("buy");
  await stage.go("stored");
  await page.evaluate(() => new Promise((done) => setTimeout(done, 1500))); // more than a tick
  assert.equal(await still(), frozen, "the panels do not change while paused");
  await page.keyboard.press(" ");
  await stage.until(page, ([id, n]) => Number(document.querySelector(`[data-panel="${id}"] [data-label="purchase"]`).dataset.value) === n, [donut, before + 1]);
}

// tables: each chart has its values as a table, that can be sorted.
export async function tables(stage) {
  const page = await stage.open("board=own-board&range=15m");
  assert.match(await page.getAttribute('[data-panel="5"] .plot', "aria-label"), /Views per bucket, latest: views \d/);
  await page.keyboard.press("v");
  for (const id of [1, 2, 3, 5]) assert.ok((await stage.cells(page, id)).length > 0, `panel ${id} has a table view`);
  assert.equal(await page.getAttribute('[data-panel="5"] .to-table', "aria-pressed"), "true");
  await page.click('[data-panel="4"] th:nth-child(2) button');
  await page.click('[data-panel="4"] th:nth-child(2) button');
  assert.equal(await page.getAttribute('[data-panel="4"] th:nth-child(2)', "aria-sort"), "ascending");
  const counts = (await stage.cells(page, 4)).map(([, n]) => Number(n));
  assert.deepEqual(counts, [...counts].sort((a, b) => a - b));
  await page.keyboard.press("v");
  assert.ok(await page.isVisible('[data-panel="5"] canvas'));
}
