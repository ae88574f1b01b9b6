// The page: which board, which range, which values; one stream; what comes goes to
// its panel. The address holds the choice, so that it can be sent to somebody.

import { h, say, attr, icon } from "./dom.js";
import { brief } from "./format.js";
import { sections, place } from "./layout.js";
import { Live, get } from "./live.js";
import { Panel } from "./panel.js";
import { animate } from "./timeseries.js";
import { control } from "./variables.js";
import { keys, listen } from "./keyboard.js";
import * as header from "./header.js";
import * as theme from "./theme.js";

const $ = (id) => document.getElementById(id);
const points = 600; // that a series may have at most: one to two pixels each
const hiddenFor = 60000; // ms in the background after which the stream is let go

const page = { boards: [], home: "", board: null, range: "", values: new Map(), panels: new Map() };
const status = { begun: false, link: false, engine: "ok", fresh: null, told: 0, paused: 0 };
const live = new Live({ panel: onPanel, state: onState, link: onLink });

function onPanel(answer) {
  page.panels.get(String(answer.id))?.show(answer);
}

function onState(state) {
  status.begun = true;
  status.engine = state.engine ?? "ok";
  if (state.freshness_ms !== null || status.engine === "ok") { // a dead database keeps the age of its last word
    status.fresh = state.freshness_ms ?? null;
    status.told = Date.now();
  }
  for (const panel of page.panels.values()) panel.aged(state.at);
  header.status(status, Date.now());
}

function onLink(up) {
  if (up === status.link && status.begun) return;
  status.link = up;
  if (!up) status.begun = true;
  header.status(status, Date.now());
}

// address is what the query string says: board, range, var-NAME.
function address() {
  const query = new URLSearchParams(location.search), values = new Map();
  for (const key of new Set(query.keys())) if (key.startsWith("var-")) values.set(key.slice(4), query.getAll(key));
  return { board: query.get("board"), range: query.get("range"), values };
}

// query is the choice as the server wants it, and, shorter, as the address shows it.
function query(forServer) {
  const out = new URLSearchParams({ board: page.board.uid, range: page.range });
  if (forServer) out.set("points", points);
  for (const v of page.board.variables) for (const value of page.values.get(v.name) ?? []) out.append("var-" + v.name, value);
  return out.toString();
}

// allowed is what of an address a variable takes: a closed list only its options, what
// comes from a query or is typed anything.
function allowed(v, values) {
  const open = v.type === "query" || v.type === "textbox";
  const taken = values.filter((value) => open || v.options.some((o) => o.value === value) || (v.all && value === "$__all"));
  return taken.length ? taken : v.current ?? [];
}

async function openBoard(uid, { push = false, from = address() } = {}) {
  const known = page.boards.some((b) => b.uid === uid) ? uid : page.home;
  header.tabs(page.boards, known, (to) => openBoard(to, { push: true, from: { values: new Map() } }));
  const board = await get("/api/boards/" + encodeURIComponent(known)).catch((e) => ({ uid: known, title: known, error: e.message }));
  const listed = page.boards.find((b) => b.uid === known);
  page.board = { panels: [], variables: [], ranges: [], ...board, error: board.error ?? listed?.error };
  page.range = board.ranges?.includes(from.range) ? from.range : (page.range && board.ranges?.includes(page.range) ? page.range : board.range ?? "5m");
  page.values = new Map(page.board.variables.map((v) => [v.name, allowed(v, from.values?.get(v.name) ?? [])]));
  drawBoard();
  if (push) history.pushState(null, "", "?" + query(false));
  stream();
}

function drawBoard() {
  const { board } = page;
  for (const p of page.panels.values()) p.destroy();
  page.panels = new Map();
  document.title = `${brief(board.title ?? board.uid, 60)} · clickstream`;
  say($("title"), brief(board.title ?? board.uid, 80));
  say($("description"), brief(board.description ?? "", 300));
  header.ranges(board.ranges, page.range, setRange);
  $("variables").replaceChildren(...board.variables.filter((v) => !v.hidden).map((v) => control(v, page.values.get(v.name), (chosen) => setValue(v.name, chosen))));
  say($("unknown"), board.unknown?.length ? `Not supported here: ${brief(board.unknown.join("; "), 300)}` : "");
  $("board").replaceChildren(...(board.error ? [broken(board)] : sections(board.panels).map(section)));
}

// broken is the card in place of a board that cannot be read.
function broken(board) {
  return h("div", { class: "broken", role: "alert" }, icon("warn"), h("h2", {}, `The board ${brief((board.title || board.uid).split("/").at(-1), 80)} cannot be shown`),
    h("p", {}, brief(String(board.error?.message ?? board.error), 1000)), h("p", { class: "hint" }, "Mend its file; the other boards are not touched."));
}

function section({ row, panels }) {
  const places = panels.length ? place(panels) : new Map();
  const grid = h("div", { class: "grid" }, panels.map((p) => {
    const card = new Panel(p), at = places.get(p.id);
    page.panels.set(String(p.id), card);
    for (const [k, v] of Object.entries(at)) card.el.style.setProperty("--" + k, v);
    return card.el;
  }));
  if (!row) return grid;
  const button = h("button", { type: "button", "aria-expanded": "true", on: { click: () => {
    grid.hidden = !grid.hidden;
    attr(button, "aria-expanded", String(!grid.hidden));
  } } }, icon("down"), brief(row.title || "Row", 120));
  const why = row.unknown ? h("p", { class: "hint" }, brief(row.unknown, 300)) : null;
  return h("div", { class: "row" }, h("h2", {}, button), why, grid);
}

function stream() {
  if (status.paused || page.board.error) return live.close();
  live.open(query(true));
}

function setRange(range) {
  if (!range || range === page.range) return;
  page.range = range;
  header.ranges(page.board.ranges, range, setRange);
  changed();
}

function setValue(name, chosen) {
  page.values.set(name, chosen);
  changed();
}

// changed asks for the new choice, also while paused: it was asked for by hand.
function changed() {
  history.replaceState(null, "", "?" + query(false));
  if (!status.paused) return stream();
  for (const id of page.panels.keys()) {
    get(`/api/boards/${encodeURIComponent(page.board.uid)}/panels/${id}?${query(true)}`).then((answer) => onPanel({ id, ...answer }), () => {});
  }
}

function pause() {
  status.paused = status.paused ? 0 : Date.now();
  if (!status.paused) status.begun = false;
  header.status(status, Date.now());
  stream();
}

function nextBoard() {
  const at = page.boards.findIndex((b) => b.uid === page.board.uid);
  openBoard(page.boards[(at + 1) % page.boards.length].uid, { push: true, from: { values: new Map() } });
}

function tables() {
  const on = ![...page.panels.values()].some((p) => p.table);
  for (const p of page.panels.values()) p.asTable(on);
}

function help() {
  $("keys").replaceChildren(...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]));
  $("help").showModal();
}

// rest lets the stream go while nobody looks, and takes it up again.
function rest() {
  let timer = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => live.close(), hiddenFor);
    else if (page.board && !live.source) stream();
  });
}

async function begin() {
  header.buttons({ pause, help });
  listen({
    pause, help, board: nextBoard, tables, range: (i) => setRange(page.board.ranges[i]),
    theme: () => { theme.next(); header.themeButton(); },
  });
  rest();
  addEventListener("popstate", () => openBoard(address().board));
  setInterval(() => header.status(status, Date.now()), 500);
  setInterval(() => { if (!status.paused && !document.hidden) requestAnimationFrame(animate); }, 100);
  const list = await boards();
  page.boards = list.boards.toSorted((a, b) => (b.uid === list.home) - (a.uid === list.home));
  page.home = list.home;
  say($("version"), list.version ? `clickstream ${list.version}` : "");
  await openBoard(address().board);
}

// boards asks until the server answers: the page may be open before it.
async function boards() {
  for (;;) {
    try {
      return await get("/api/boards");
    } catch {
      onLink(false);
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

begin();
