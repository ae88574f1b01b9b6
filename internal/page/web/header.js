// The bar on top: boards, how alive the data is, pause, time range, theme; and the
// banner for when the connection or the database is lost.

import { h, say, attr, icon } from "./dom.js";
import { age, brief } from "./format.js";
import * as theme from "./theme.js";

const $ = (id) => document.getElementById(id);
const late = 10000, veryLate = 30000; // ms of age from which the light turns yellow, red

// tabs lists the boards; go is called with the uid of the one that is chosen.
export function tabs(boards, current, go) {
  $("tabs").replaceChildren(...boards.map((b) => h("a", {
    href: "?board=" + encodeURIComponent(b.uid), "aria-current": b.uid === current ? "page" : null, title: brief(b.error ?? b.title, 300),
    on: { click: (e) => { if (!e.metaKey && !e.ctrlKey && !e.shiftKey) { e.preventDefault(); go(b.uid); } } },
  }, b.error ? icon("warn") : null, brief(b.error ? b.title.split("/").at(-1) : b.title || b.uid, 40))));
}

// ranges offers the time ranges of a board.
export function ranges(list, current, choose) {
  $("ranges").replaceChildren(...list.map((r, i) => h("button", {
    type: "button", "aria-pressed": String(r === current), title: i < 9 ? `Key ${i + 1}` : null, on: { click: () => choose(r) },
  }, r)));
}

// buttons wires what never changes; pause is called when it is pressed.
export function buttons({ pause, help }) {
  $("pause").append(icon("pause"), h("span"));
  $("pause").addEventListener("click", pause);
  $("help-open").append(icon("help"));
  $("help-open").addEventListener("click", help);
  $("help-close").addEventListener("click", () => $("help").close());
  $("theme").addEventListener("click", () => { theme.next(); themeButton(); });
  themeButton();
}

export function themeButton() {
  const choice = theme.current();
  $("theme").replaceChildren(icon({ auto: "auto", light: "sun", dark: "moon" }[choice]));
  attr($("theme"), "aria-label", `Theme: ${choice}`);
  attr($("theme"), "title", `Theme: ${choice} (t)`);
}

// status shows how alive the page is. s: link (is the server heard), engine ("ok" or
// ClickHouse's words), paused and when, fresh (ms of age when it was told), told (when).
export function status(s, now) {
  const old = s.fresh === null ? null : s.fresh + (now - s.told);
  const state = s.paused ? "paused" : !s.begun ? "wait" : !s.link ? "lost" : s.engine !== "ok" ? "engine" : old === null ? "empty" : old > veryLate ? "stale" : old > late ? "late" : "live";
  attr(document.body, "data-link", state);
  say($("state"), { paused: "Paused", wait: "Connecting", lost: "Connection lost", engine: "Database lost", empty: "No data yet", stale: "Quiet", late: "Quiet", live: "Live" }[state]);
  const since = state === "paused" ? `for ${age(now - s.paused)}` : state === "wait" || old === null ? "" : `${age(old)} old`;
  $("age-words").hidden = !since.endsWith("old");
  say($("age-text"), since);
  say($("pause").lastElementChild, s.paused ? "Resume" : "Pause");
  if (attrChanged($("pause"), String(Boolean(s.paused)))) $("pause").firstElementChild.replaceWith(icon(s.paused ? "play" : "pause"));
  banner(state, s, old);
}

function attrChanged(el, value) {
  const changed = el.getAttribute("aria-pressed") !== value;
  attr(el, "aria-pressed", value);
  return changed;
}

function banner(state, s, old) {
  const bad = state === "lost" || state === "engine";
  $("banner").hidden = !bad;
  if (!bad) return;
  say($("banner-title"), state === "lost" ? "The connection is lost." : "ClickHouse does not answer.");
  say($("banner-text"), state === "lost" ? "Trying again every second." : brief(s.engine, 300));
  say($("banner-age"), old === null ? "" : `What you see is ${age(old)} old.`); // beside the alert: nobody wants it read aloud twice a second
}
