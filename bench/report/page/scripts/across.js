"use strict";
// How ratios differ from machine to machine: for each row a dot for each machine, their mean, and where a new one will be.
(function (page) {
  const words = (row, one) =>
    `${page.plain(row.label)} on ${page.plain(one.machine)}<br>${page.multiple(one.ratio)} ${page.interval(one.between)}`;

  function span(row, at, ends, width, opacity) {
    return {
      type: "scatter",
      mode: "lines",
      x: ends,
      y: [at, at],
      line: { color: page.colours[row.colour], width },
      opacity,
      hoverinfo: "skip",
    };
  }

  function tracesOf(row, at) {
    const colour = page.colours[row.colour];
    // Machines lie beside each other, so that those with the same ratio are seen.
    const aside = (place) => at + 0.12 + (0.26 * (place + 1)) / (row.on.length + 1);
    const dots = {
      type: "scatter",
      mode: "markers",
      x: row.on.map((one) => one.ratio),
      y: row.on.map((_, place) => aside(place)),
      marker: { color: colour, size: 6, opacity: 0.6 },
      text: row.on.map((one) => words(row, one)),
      hoverinfo: "text",
    };
    if (row.ratio === null) return [dots];
    const said = [
      page.plain(row.label),
      `on average ${page.multiple(row.ratio)} ${page.interval(row.between)}`,
      `on a new machine ${page.interval(row.new)}`,
    ];
    const mean = {
      type: "scatter",
      mode: "markers",
      x: [row.ratio],
      y: [at],
      marker: { color: colour, size: 11, symbol: "diamond" },
      text: [said.join("<br>")],
      hoverinfo: "text",
    };
    return [span(row, at, row.new, 2, 0.45), span(row, at, row.between, 6, 0.8), dots, mean];
  }

  page.chart("across", function (index) {
    const every = page.data.across[index].rows;
    const rows = every.filter((row) => page.passesWithoutPlace(row)).reverse();
    if (!rows.length) return "The filters hide all rows of this chart.";
    const known = rows.flatMap((row) => [1, ...row.on.map((one) => one.ratio), ...(row.new || [])]);
    const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
    const xaxis = {
      type: "log",
      title: { text: `times as long as ${page.plain(page.data.across[index].other)}` },
      tickvals: ticks,
      ticktext: ticks.map((each) => `${each}×`),
      range: page.logRange(known, 1.15),
    };
    return {
      height: 70 + 44 * rows.length,
      traces: rows.flatMap(tracesOf),
      layout: {
        xaxis,
        yaxis: {
          tickvals: rows.map((_, at) => at),
          ticktext: rows.map((row) => page.plain(row.label)),
          range: [-0.5, rows.length - 0.4],
          showgrid: false,
          zeroline: false,
        },
        shapes: [
          { type: "line", x0: 1, x1: 1, y0: 0, y1: 1, yref: "paper", line: { color: page.lines.axis, width: 1 } },
        ],
      },
    };
  });
})(window.page);
