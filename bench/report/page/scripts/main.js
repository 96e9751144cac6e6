"use strict";
// Reads the data, and puts the parts of the page together: what a reader needs first comes first.
(function (page) {
  page.data = JSON.parse(document.getElementById("data").textContent);
  page.data.rows.forEach((row, place) => (row.place = place));
  page.data.groups.forEach((group, number) => group.rows.forEach((place) => (page.data.rows[place].group = number)));

  function foldings() {
    const all = [...document.querySelectorAll("details[data-open]")];
    const before = new Map(all.map((each) => [each, each.open]));
    const show = () =>
      all.forEach(function (each) {
        const name = each.dataset.open;
        each.open = before.get(each) ? !page.view.shut.includes(name) : page.view.open.includes(name);
      });
    for (const each of all) {
      each.addEventListener("toggle", function () {
        const list = before.get(each) ? "shut" : "open";
        const noted = before.get(each) ? !each.open : each.open;
        const others = page.view[list].filter((name) => name !== each.dataset.open);
        page.change({ [list]: noted ? [...others, each.dataset.open] : others });
      });
    }
    page.follow((changed) => (changed.has("open") || changed.has("shut")) && show());
  }

  // Links to sections keep the view in the address.
  function links() {
    document.addEventListener("click", function (event) {
      const link = event.target.closest('a[href^="#"]');
      if (!link) return;
      event.preventDefault();
      const name = link.getAttribute("href").slice(1);
      page.change({ at: name });
      goTo(name);
    });
  }

  function goTo(name) {
    const place = name && document.getElementById(name);
    if (!place) return;
    place.scrollIntoView();
    place.setAttribute("tabindex", "-1");
    place.focus({ preventScroll: true });
  }

  // A plain fragment such as #samples, as somebody may type it, is the place to go to.
  if (location.hash && !location.hash.includes("=")) page.change({ at: location.hash.slice(1) });

  page.initTheme(() => page.redraw());
  page.showTheme();
  page.follow((changed) => changed.has("theme") && page.showTheme());
  page.initFilters();
  page.initTable();
  page.initCharts();
  page.initLearned();
  page.initSamples();
  foldings();
  links();
  page.startAll();
  goTo(page.view.at);
})(window.page);
