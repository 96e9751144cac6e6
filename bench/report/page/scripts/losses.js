"use strict";
// Loss curves of all rows of a task over each other, and how far each is from the reference.
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

  // How far parity lets a loss be from the reference, as an area from below.
  function allowedArea(curves) {
    const trace = { type: "scatter", mode: "lines", name: "allowed by parity", y: curves.allowed, hoverinfo: "skip" };
    trace.x = middles(curves, "distances", curves.allowed.length);
    trace.line = { color: page.lines.ink, width: 1.5, dash: "dash" };
    return trace;
  }

  page.chart("distances", function (_, group) {
    const curves = curvesOf(group);
    if (!curves || !curves.reference) return "This run has neither the losses of the reference nor a row of NumPy.";
    const multiple = (row) =>
      row.parity && row.parity.envelope !== null ? ` · ${Number(row.parity.envelope.toPrecision(2))}×` : "";
    const traces = tracesOf(group, "distances", multiple);
    if (!traces.length) return "There is no other row to compare with NumPy's.";
    if (curves.allowed.some((value) => value > 0)) traces.unshift(allowedArea(curves));
    const yaxis = page.powerAxis(`distance from ${curves.reference}`, traces);
    return { traces, layout: { showlegend: true, xaxis: { title: { text: "step" } }, yaxis } };
  });
})(window.page);
