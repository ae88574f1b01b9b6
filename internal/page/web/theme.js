// Light, dark or the system's choice; and Grafana's colour names in the theme's own colours.

const key = "clickstream-theme";
const order = ["auto", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = [];
let cache = new Map();

// current is the choice: auto, light or dark.
export function current() {
  return document.documentElement.dataset.theme ?? "auto";
}

// next takes the following choice and remembers it.
export function next() {
  const choice = order[(order.indexOf(current()) + 1) % order.length];
  if (choice === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  try {
    localStorage.setItem(key, choice);
  } catch { /* a private window: the choice lasts as long as the page */ }
  changed();
  return choice;
}

// onChange calls fn after the colours have changed.
export function onChange(fn) {
  listeners.push(fn);
}

function changed() {
  cache = new Map();
  for (const fn of listeners) fn();
}
system.addEventListener("change", changed);

const named = new Set(["blue", "orange", "green", "red", "purple", "yellow"]);
const shades = { "dark-": ["black", 24], "semi-dark-": ["black", 8], "light-": ["white", 25], "super-light-": ["white", 45] };
const palette = ["blue", "orange", "green", "purple", "red", "yellow"];

// css is the CSS colour of a Grafana colour name; index picks one where there is none.
export function css(name, index = 0) {
  const text = String(name || palette[index % palette.length]);
  if (named.has(text)) return `var(--${text})`;
  if (text === "text" || text === "transparent") return text === "text" ? "var(--ink)" : text;
  for (const [prefix, [with_, part]] of Object.entries(shades)) {
    const base = text.slice(prefix.length);
    if (text.startsWith(prefix) && named.has(base)) return `color-mix(in srgb, var(--${base}) ${100 - part}%, ${with_})`;
  }
  return CSS.supports("color", text) && !text.includes("(") ? text : "var(--muted)";
}

// paint is css resolved for a canvas, with an opacity.
export function paint(name, alpha = 1, index = 0) {
  const value = name?.startsWith?.("--") ? `var(${name})` : css(name, index);
  if (!cache.has(value)) cache.set(value, resolve(value));
  const [r, g, b] = cache.get(value);
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

function resolve(value) {
  const probe = document.getElementById("probe");
  probe.style.color = value;
  const text = getComputedStyle(probe).color;
  const parts = text.match(/-?[\d.]+(e-?\d+)?/g).map(Number);
  return text.startsWith("color(") ? parts.slice(0, 3).map((p) => Math.round(p * 255)) : parts.slice(0, 3);
}
