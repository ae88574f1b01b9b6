// Package browser tests the page as people see it: a real broker, engine, consumer
// and page as child processes, and a headless Chromium that scenarios/*.mjs drive
// through playwright-core. What Node needs is installed from package-lock.json into
// the user's cache, outside the source tree; the browser is the Chrome or Chromium
// on the PATH, else the one that an npm package ships, so no test needs root.
package browser
