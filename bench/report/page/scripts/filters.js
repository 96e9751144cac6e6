"use strict";
// Which rows are shown. A filter never changes a number: a score is about all rows of a task, and a sentence says so.
(function (page) {
  const FACETS = ["task", "backend", "mode", "device", "machine", "run"];

  const valueOf = function (row, facet) {
    if (facet === "run") return page.data.runs[row.run].name;
    return facet === "machine" ? page.data.runs[row.run].machine : row[facet];
  };

  function words(row) {
    return [row.task, row.label, row.precision, row.cause || "", row.verdict || ""].join(" ").toLowerCase();
  }

  page.passes = (row) => passesBy(row, FACETS);

  // The same for what is about all machines and runs together.
  page.passesWithoutPlace = (row) =>
    passesBy(
      row,
      FACETS.filter((facet) => !["machine", "run"].includes(facet)),
    );

  function passesBy(row, facets) {
    for (const facet of facets) {
      const wanted = page.view[facet];
      if (wanted.length && !wanted.includes(valueOf(row, facet))) return false;
    }
    const asked = page.view.q.toLowerCase().split(/\s+/).filter(Boolean);
    return asked.every((word) => words(row).includes(word));
  }

  page.filtered = () => FACETS.some((facet) => page.view[facet].length) || page.view.q !== "";
  page.shown = () => page.data.rows.filter(page.passes);

  function menu(facet, values) {
    const boxes = values.map(function (value) {
      const box = page.element("input", { type: "checkbox", value: value });
      box.addEventListener("change", function () {
        const left = page.view[facet].filter((each) => each !== value);
        page.change({ [facet]: box.checked ? [...left, value] : left });
      });
      return box;
    });
    const title = page.element("summary", {}, facet);
    const list = page.element("div", { class: "menu", role: "group", "aria-label": facet });
    boxes.forEach((box, place) => list.append(page.element("label", {}, box, values[place])));
    const made = page.element("details", {}, title, list);
    made.addEventListener("keydown", function (event) {
      if (event.key === "Escape") {
        made.open = false;
        title.focus();
      }
    });
    page.follow(function () {
      boxes.forEach((box) => (box.checked = page.view[facet].includes(box.value)));
      const used = page.view[facet].length;
      made.classList.toggle("used", used > 0);
      title.textContent = used ? `${facet} (${used})` : facet;
    });
    return made;
  }

  page.initFilters = function () {
    const place = document.getElementById("filters");
    const menus = [];
    for (const facet of FACETS) {
      const values = [...new Set(page.data.rows.map((row) => valueOf(row, facet)))];
      if (values.length > 1) menus.push(menu(facet, values));
    }
    const search = page.element("input", { type: "search", placeholder: "Search rows", "aria-label": "Search rows" });
    search.addEventListener("input", () => page.change({ q: search.value }));
    const all = page.element("button", { type: "button" }, "Show all");
    all.addEventListener("click", () => page.change({ task: [], backend: [], mode: [], device: [], machine: [], run: [], q: "" }));
    place.append(...menus, search, all);
    page.follow(function () {
      all.hidden = !page.filtered();
      if (document.activeElement !== search) search.value = page.view.q;
    });
    document.addEventListener("click", function (event) {
      for (const each of menus) if (!each.contains(event.target)) each.open = false;
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "/" && !/^(input|select|textarea)$/i.test(event.target.tagName)) {
        event.preventDefault();
        search.focus();
      }
    });
  };

  // Return what the filters do to the table, in words.
  page.filterWords = function () {
    const shown = page.shown();
    if (shown.length === page.data.rows.length) return "";
    const hidden = page.data.groups.filter(function (group) {
      const some = group.rows.some((place) => page.passes(page.data.rows[place]));
      return some && group.fastest !== null && !page.passes(page.data.rows[group.fastest]);
    });
    const count = `${shown.length} of ${page.data.rows.length} rows are shown. No number changes by that: `;
    if (!hidden.length) return count + "each row is compared with the fastest of its task.";
    const names = hidden.slice(0, 3).map((group) => `${page.data.rows[group.fastest].label} (${group.task})`);
    const more = hidden.length > 3 ? ` and ${hidden.length - 3} more` : "";
    return (
      count + `rows are compared with the fastest of their task, which is hidden here: ${names.join(", ")}${more}.`
    );
  };
})(window.page);
