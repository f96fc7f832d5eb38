// SPDX-License-Identifier: Apache-2.0

// Not a module, and loaded in the head: it sets the theme before anything is drawn.
// ui/page/theme.js switches it.

(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("probedeck.theme");
  } catch {
    // Storage is forbidden: use the system's theme.
  }
  const isKnown = choice === "light" || choice === "dark";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = isKnown ? choice : system;
})();
