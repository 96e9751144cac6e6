"use strict";
// Share of the machine's limit, memory, and the phases of a process.
(function (page) {
  const PATTERNS = ["", "/", "\\", "x", "", "", ".", "-", "+"]; // so that phases differ without their colours
  const NAMES = {
    start_s: "start of Python",
    import_s: "import",
    data_s: "data",
    setup_s: "set-up",
    first_pass_s: "first pass",
    steady_passes_s: "further passes",
    evaluation_s: "evaluation",
    resets_s: "resets",
    checks_s: "checks",
  };

  function bars(rows, value, words, title) {
    const names = rows.map((row) => page.plain(row.label));
    const trace = {
      type: "bar",
      orientation: "h",
      y: names,
      x: rows.map(value),
      marker: { color: rows.map((row) => page.colours[row.colour]), opacity: 0.85 },
      text: rows.map((row) => words(value(row))),
      textposition: "outside",
      cliponaxis: false,
      hoverinfo: "none",
      textfont: { size: 11 },
    };
    const most = Math.max(...trace.x.filter((each) => each !== null));
    const layout = {
      bargap: 0.35,
      xaxis: { title: { text: title }, range: [0, most * 1.22], showticklabels: false, showgrid: false },
      yaxis: { gridcolor: "rgba(0,0,0,0)" },
    };
    return { traces: [trace], layout, height: Math.max(180, 70 + 24 * rows.length) };
  }

  const known = (group, name) =>
    page
      .members(group)
      .filter((row) => row[name] !== null && row[name] !== undefined)
      .reverse();

  page.chart("share", function (_, group) {
    const rows = known(group, "flops_share");
    return rows.length ? bars(rows, (row) => row.flops_share, page.percent, "") : "No ranked row to show.";
  });

  page.chart("memory", function (_, group) {
    const rows = known(group, "memory_bytes");
    if (!rows.length) return "No ranked row to show.";
    const made = bars(rows, (row) => row.memory_bytes, page.megabytes, "");
    const gpu = rows.filter((row) => row.device_memory_bytes);
    if (gpu.length) {
      made.traces.push({
        type: "bar",
        orientation: "h",
        y: gpu.map((row) => page.plain(row.label)),
        x: gpu.map((row) => row.device_memory_bytes),
        marker: { color: "rgba(0,0,0,0)", line: { color: page.lines.ink, width: 1.5 } },
        text: gpu.map((row) => `GPU ${page.megabytes(row.device_memory_bytes)}`),
        hoverinfo: "text",
        textposition: "none",
      });
    }
    return made;
  });

  page.chart("phases", function (_, group) {
    const rows = known(group, "phases_s");
    if (!rows.length) return "No ranked row to show.";
    const names = rows.map((row) => page.plain(row.label));
    const traces = page.data.phases.map((phase, place) => ({
      type: "bar",
      orientation: "h",
      name: NAMES[phase],
      y: names,
      x: rows.map((row) => row.phases_s[place]),
      marker: {
        color: page.phaseColours[place],
        pattern: { shape: PATTERNS[place], size: 6, solidity: 0.25, fillmode: "overlay", fgcolor: page.lines.paper },
        line: { width: 0 },
      },
      text: rows.map((row) => `${page.plain(row.label)}<br>${NAMES[phase]}: ${page.seconds(row.phases_s[place])}`),
      textposition: "none",
      hoverinfo: "text",
    }));
    const layout = {
      barmode: "stack",
      showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal", font: { size: 12 } },
      bargap: 0.35,
      xaxis: { title: { text: "seconds" } },
      yaxis: { gridcolor: "rgba(0,0,0,0)" },
      margin: { l: 8, r: 12, t: 60, b: 40 },
    };
    return { traces, layout, height: Math.max(260, 150 + 26 * rows.length) };
  });
})(window.page);
