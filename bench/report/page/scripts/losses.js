"use strict";
// Loss curves of all rows of a task over each other, and how far each is from NumPy's.
(function (page) {
  const curvesOf = (group) => page.data.curves.find((each) => group.rows.includes(each.rows[0]));

  function middles(curves, which, count) {
    const size = curves.steps_per_point[which];
    return Array.from(
      { length: count },
      (_, place) => place * size + (Math.min(size, curves.steps - place * size) + 1) / 2,
    );
  }

  function tracesOf(group, which, words) {
    const curves = curvesOf(group);
    if (!curves) return [];
    return curves.rows
      .map((place, at) => [page.data.rows[place], curves[which][at]])
      .filter(([row, values]) => values && page.passes(row))
      .map(function ([row, values]) {
        const wrong = row.cause === "wrong" ? " (failed parity)" : "";
        const steps = middles(curves, which, values.length);
        return {
          type: "scatter",
          mode: "lines",
          name: page.plain(row.label) + wrong + words(row),
          x: steps,
          y: values,
          connectgaps: false,
          line: { ...page.style(row).line, width: 1.6 },
          text: values.map(
            (value, step) =>
              `${page.plain(row.label)}${wrong}<br>step ${page.count(steps[step])}: ${value === null ? "" : value.toExponential(2)}`,
          ),
          hoverinfo: "text",
        };
      });
  }

  page.chart("losses", function (_, group) {
    const traces = tracesOf(group, "losses", () => "");
    if (!traces.length) return "These rows have no losses in the run file.";
    const positive = traces.every((trace) => trace.y.every((value) => value === null || value > 0));
    return {
      traces,
      layout: {
        showlegend: true,
        xaxis: { title: { text: "step" } },
        yaxis: positive ? page.powerAxis("loss", traces) : { title: { text: "loss" } },
      },
    };
  });

  page.chart("distances", function (_, group) {
    const curves = curvesOf(group);
    if (!curves || curves.reference === null) return "This task has no row of NumPy to compare with.";
    const multiple = (row) =>
      row.parity && row.parity.envelope !== null ? ` · ${Number(row.parity.envelope.toPrecision(2))}×` : "";
    const traces = tracesOf(group, "distances", multiple);
    if (!traces.length) return "There is no other row to compare with NumPy.";
    return {
      traces,
      layout: {
        showlegend: true,
        xaxis: { title: { text: "step" } },
        yaxis: page.powerAxis("relative distance", traces),
      },
    };
  });
})(window.page);
