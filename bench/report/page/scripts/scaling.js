"use strict";
// How the time of a step grows with size: points with intervals, the fit, and where another row becomes the fastest.
(function (page) {
  function errors(curve) {
    return {
      type: "data",
      symmetric: false,
      thickness: 1.2,
      width: 3,
      array: curve.step_s.map((value, at) => (curve.high_s[at] === null ? 0 : curve.high_s[at] - value)),
      arrayminus: curve.step_s.map((value, at) => (curve.low_s[at] === null ? 0 : value - curve.low_s[at])),
    };
  }

  function fitWords(curve) {
    if (!curve.fit) return "";
    const rate = curve.fit.flops_per_s
      ? `${Number((curve.fit.flops_per_s / 1e9).toPrecision(3))} GFLOP/s`
      : "no growth";
    return `<br>fit: ${page.seconds(curve.fit.overhead_s)} and ${rate}, within ${page.percent(curve.fit.misfit)}`;
  }

  function tracesOf(panel, curve) {
    const row = page.data.rows[curve.row];
    const name = page.plain(row.label);
    const own = {
      type: "scatter",
      mode: "lines+markers",
      name,
      x: curve.x,
      y: curve.step_s,
      error_y: errors(curve),
      ...page.style(row),
      text: curve.step_s.map(
        (value, at) =>
          `${name}<br>${page.plain(panel.axis)} ${page.plain(panel.names[panel.ticks.indexOf(curve.x[at])])}: ${page.seconds(value)} a step${fitWords(curve)}`,
      ),
      hoverinfo: "text",
    };
    own.line = { ...own.line, dash: "solid", width: 1.6 };
    if (!curve.fit) return [own];
    const fit = {
      type: "scatter",
      mode: "lines",
      showlegend: false,
      x: curve.fit.x,
      y: curve.fit.step_s,
      line: { color: page.colours[row.colour], dash: "dash", width: 1 },
      hoverinfo: "skip",
      opacity: 0.7,
    };
    return [own, fit];
  }

  page.chart("scaling", function (index) {
    const panel = page.data.sweeps[index];
    const curves = panel.curves.filter((curve) =>
      page.passes({ ...page.data.rows[curve.row], task: page.view.task[0] || page.data.rows[curve.row].task }),
    );
    if (!panel.curves.length) return "No row is ranked at any size.";
    if (!curves.length) return "The filters hide all rows of this chart.";
    const crossings = panel.crossings.filter((each) => each.at !== null);
    const shapes = crossings.map((each) => ({
      type: "line",
      x0: each.at,
      x1: each.at,
      y0: 0,
      y1: 1,
      yref: "paper",
      line: { color: page.lines.axis, width: 1, dash: each.sure ? "solid" : "dot" },
    }));
    const annotations = crossings.map((each) => ({
      x: panel.of_numbers ? Math.log10(each.at) : each.at,
      y: 1,
      yref: "paper",
      textangle: -90,
      showarrow: false,
      xanchor: "right",
      yanchor: "top",
      font: { size: 11 },
      text: `${page.plain(each.before)} → ${page.plain(each.after)}${each.sure ? "" : " (not certain)"}`,
    }));
    const xaxis = {
      type: panel.of_numbers ? "log" : "linear",
      title: { text: page.plain(panel.axis) },
      tickvals: panel.ticks,
      ticktext: panel.names.map(page.plain),
    };
    return {
      traces: curves.flatMap((curve) => tracesOf(panel, curve)),
      layout: { showlegend: true, shapes, annotations, xaxis, yaxis: page.timeAxis("") },
    };
  });
})(window.page);
