// Before the first paint, so that the page does not flash in the other theme.
try {
  const choice = localStorage.getItem("clickstream-theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
} catch { /* no storage: the system's theme */ }
