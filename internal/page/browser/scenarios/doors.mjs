// What a page of another site or port can make a browser send to a door of this machine.

import assert from "node:assert/strict";

// ways are run in the foreign page, with the address to ask and, for those that send
// one, the body.
const ways = {
  image: (url) => { new Image().src = url; },
  script: (url) => { document.body.append(Object.assign(document.createElement("script"), { src: url })); },
  style: (url) => { document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: url })); },
  iframe: (url) => { document.body.append(Object.assign(document.createElement("iframe"), { src: url })); },
  object: (url) => { document.body.append(Object.assign(document.createElement("object"), { data: url })); },
  "silent fetch": (url) => { fetch(url, { mode: "no-cors", referrerPolicy: "no-referrer" }).catch(() => {}); },
  fetch: (url) => { fetch(url).catch(() => {}); },
  "silent post": (url, body) => { fetch(url, { method: "POST", mode: "no-cors", body }).catch(() => {}); },
  beacon: (url, body) => { navigator.sendBeacon(url, body); },
  form: (url, body) => {
    const form = Object.assign(document.createElement("form"), { method: "post", enctype: "text/plain", action: url });
    form.append(Object.assign(document.createElement("input"), { name: body, value: "" }));
    document.body.append(form);
    form.submit();
  },
  window: (url) => { window.open(url); },
  navigation: (url) => { location.href = url; },
};

// foreign knocks at every target in every way: each must be told 403. The last ways
// lead away from the page, which is then opened anew.
export async function foreign(stage) {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  for (const { get, post, body } of await stage.go("targets")) {
    await page.goto(stage.url);
    for (const [name, way] of Object.entries(ways)) {
      const url = way.length > 1 ? post : get;
      if (!url) continue;
      if (!page.url().startsWith(stage.url)) await page.goto(stage.url);
      await page.evaluate(([source, to, text]) => (0, eval)(source)(to, text), [way.toString(), url, body]);
      assert.equal(await stage.go("answered"), 403, `${name} from ${stage.url} to ${url}`);
      if (name === "form" || name === "navigation") await page.waitForURL((now) => !now.href.startsWith(stage.url));
    }
  }
  await context.close();
}

// typed is what a person may do: the address typed into the address bar.
export async function typed(stage) {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  const response = await page.goto(stage.url);
  assert.equal(response.status(), 200, `typing ${stage.url}`);
  await context.close();
}
