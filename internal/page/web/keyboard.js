// Shortcuts. They keep out of the way of fields, and of a browser's own keys.

// keys is what the help lists and what listen obeys.
export const keys = [
  ["Space", "pause or go on"],
  ["1 – 5", "time range, shortest first"],
  ["b", "next board"],
  ["t", "theme: automatic, light, dark"],
  ["v", "all panels as tables, or back"],
  ["?", "this list"],
];

// listen calls do.pause, do.range(i), do.board, do.theme, do.tables and do.help.
export function listen(actions) {
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    const at = e.target, typing = at.matches?.("input, select, textarea, [contenteditable]");
    if (typing || document.querySelector("dialog[open]")) return;
    if (e.key === " " && at.matches?.("button, a, summary, [tabindex]")) return;
    const action = e.key === " " ? actions.pause
      : /^[1-9]$/.test(e.key) ? () => actions.range(Number(e.key) - 1)
      : { b: actions.board, t: actions.theme, v: actions.tables, "?": actions.help }[e.key];
    if (!action) return;
    e.preventDefault();
    action();
  });
}
