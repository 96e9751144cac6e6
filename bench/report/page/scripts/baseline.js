"use strict";
// A row that the reader has chosen as the baseline. All comparisons were computed in advance, each with its own tests.
(function (page) {
  const nameOf = (row) => [row.backend, row.mode, ...(row.device === "cpu" ? [] : [row.device])].join(":");

  page.isBaseline = (row) => page.view.base !== "" && nameOf(row) === page.view.base;

  page.chooseBaseline = (row) => page.change({ base: page.isBaseline(row) ? "" : nameOf(row) });

  // Return how a row compares with the baseline in its group; null if one of them is not ranked there.
  page.toBaseline = function (row) {
    const group = page.data.groups[row.group];
    const base = group.ranked.findIndex((place) => page.isBaseline(page.data.rows[place]));
    const own = group.ranked.indexOf(row.place);
    if (base < 0 || own < 0) return null;
    const [verdict, ratio, low, high] = group.pairs[base][own];
    return { verdict, ratio, between: low === undefined ? null : [low, high] };
  };

  // Return what the choice means, in words.
  page.baselineWords = function () {
    if (!page.view.base) return "";
    const missing = page.data.groups.filter(
      (group) => !group.ranked.some((place) => page.isBaseline(page.data.rows[place])),
    );
    if (missing.length === page.data.groups.length) return `Baseline: no ranked row is called ${page.view.base}.`;
    const gaps = missing.length ? ` It has no ranked row in ${missing.map((group) => group.task).join(", ")}.` : "";
    return `Baseline: ${page.view.base.replaceAll(":", " ")}. Verdicts are those of a baseline chosen in advance.${gaps}`;
  };
})(window.page);
