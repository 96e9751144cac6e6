"use strict";
// First call and long run: what a training of n passes takes in all, and the first call beside a steady pass.
(function (page) {
  const POINTS = 60;

  function passesShown(group, rows) {
    const evens = rows.map((row) => (row.break_even && row.break_even.passes) || 1).filter((passes) => passes < 1e6);
    return Math.max(100, 30 * (group.passes || 1), 3 * Math.max(...evens, 1));
  }

  page.chart("totals", function (_, group) {
    const rows = page.members(group).filter((row) => row.fixed_s !== null);
    if (!rows.length) return "No ranked row to show.";
    const most = passesShown(group, rows);
    const along = Array.from({ length: POINTS }, (_, place) => most ** (place / (POINTS - 1)));
    const own = group.passes || 1;
    const traces = rows.map(function (row) {
      const totals = along.map((passes) => row.fixed_s + passes * row.pass_s);
      return {
        type: "scatter",
        mode: "lines",
        name: page.plain(row.label),
        x: along,
        y: totals,
        line: page.style(row).line,
        text: totals.map(
          (total, place) => `${page.plain(row.label)}<br>${page.count(along[place])} passes: ${page.seconds(total)}`,
        ),
        hoverinfo: "text",
      };
    });
    const shapes = [
      {
        type: "line",
        x0: own,
        x1: own,
        y0: 0,
        y1: 1,
        yref: "paper",
        line: { color: page.lines.axis, width: 1, dash: "dot" },
      },
    ];
    const annotations = [
      {
        x: Math.log10(own),
        y: 1,
        yref: "paper",
        text: "one training",
        showarrow: false,
        xanchor: "left",
        yanchor: "bottom",
        font: { size: 11 },
      },
    ];
    const layout = {
      showlegend: true,
      shapes,
      annotations,
      xaxis: { type: "log", title: { text: "passes" }, dtick: 1 },
      yaxis: page.timeAxis(""),
    };
    layout.yaxis.range = page.logRange(traces.flatMap((trace) => trace.y));
    return { traces, layout };
  });

  page.chart("starts", function (_, group) {
    const rows = page.members(group).slice().reverse();
    if (!rows.length) return "No ranked row to show.";
    const names = rows.map((row) => page.plain(row.label));
    const colours = rows.map((row) => page.colours[row.colour]);
    const lines = rows
      .filter((row) => row.first_call_s > 0)
      .map((row) => ({
        type: "line",
        x0: row.pass_s,
        x1: row.first_call_s,
        y0: page.plain(row.label),
        y1: page.plain(row.label),
        line: { color: page.colours[row.colour], width: 1.5 },
      }));
    const first = {
      type: "scatter",
      mode: "markers",
      name: "first call",
      x: rows.map((row) => row.first_call_s || null),
      y: names,
      marker: { symbol: "circle-open", size: 10, color: colours, line: { width: 2 } },
      text: rows.map((row) => `${page.plain(row.label)}<br>first call ${page.seconds(row.first_call_s)}`),
      hoverinfo: "text",
    };
    const steady = {
      type: "scatter",
      mode: "markers",
      name: "steady pass",
      x: rows.map((row) => row.pass_s),
      y: names,
      marker: { symbol: "circle", size: 9, color: colours },
      text: rows.map((row) => `${page.plain(row.label)}<br>a pass ${page.seconds(row.pass_s)}`),
      hoverinfo: "text",
    };
    const xaxis = page.timeAxis("");
    xaxis.range = page.logRange([...first.x, ...steady.x].filter(Boolean), 1.6);
    return {
      traces: [first, steady],
      layout: {
        shapes: lines,
        xaxis,
        yaxis: { categoryorder: "array", categoryarray: names, gridcolor: "rgba(0,0,0,0)" },
      },
    };
  });
})(window.page);
