"use strict";
// Light, dark, or as the system says; and the colours of the style sheet, for charts.
(function (page) {
  const THEMES = ["", "light", "dark"];
  const NAMES = { "": "as the system", light: "light", dark: "dark" };
  const system = matchMedia("(prefers-color-scheme: dark)");

  page.showTheme = function () {
    const theme = THEMES.includes(page.view.theme) ? page.view.theme : "";
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    document.getElementById("theme").setAttribute("aria-label", `Theme: ${NAMES[theme]}`);
  };

  page.initTheme = function (changed) {
    document.getElementById("theme").addEventListener("click", function () {
      const place = THEMES.indexOf(page.view.theme);
      page.change({ theme: THEMES[(place + 1) % THEMES.length] });
    });
    system.addEventListener("change", changed);
  };

  // Return the colour that a variable of the style sheet has now, as Plotly reads it.
  page.colour = function (name) {
    const probe = document.body.appendChild(page.element("span", { style: `color: var(${name})` }));
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
})(window.page);
