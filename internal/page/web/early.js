// Before the first paint, so that the page does not flash in the other theme.
try {
  const choice = localStorage.getItem("clickstream-theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
} catch { /* no storage: the system's theme */ }

// A system without a locale gives the browser a language that is none ("en-US@posix"),
// on which the chart library would stop.
try {
  Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}
