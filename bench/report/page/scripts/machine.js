"use strict";
// The machine during a run: the calibration loop and other load round by round, and when each process ran.
(function (page) {
  page.chart("noise", function (index) {
    const noise = page.data.noise[index];
    if (!noise.rounds.length) return "This run has no finished round.";
    const places = noise.rounds.map((_, at) => at + 1);
    const words = (at) => `${page.plain(noise.rounds[at])}<br>${page.plain(noise.told[at] || "quiet")}`;
    const dots = (name, values, symbol) => ({
      type: "scatter",
      mode: "markers",
      name,
      x: places,
      y: values,
      text: places.map((_, at) => words(at)),
      hoverinfo: "text",
      marker: {
        symbol,
        size: 8,
        color: noise.told.map((told) => (told ? page.lines.bad : page.colours[3])),
        line: { width: 1.5, color: noise.told.map((told) => (told ? page.lines.bad : page.colours[3])) },
      },
    });
    const foreign = {
      type: "bar",
      name: "cores that others kept busy",
      x: places,
      y: noise.foreign_cores,
      yaxis: "y2",
      marker: { color: page.lines.axis, opacity: 0.25 },
      text: places.map((_, at) => words(at)),
      hoverinfo: "text",
      textposition: "none",
    };
    const layout = {
      showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
      margin: { l: 8, r: 8, t: 44, b: 34 },
      xaxis: { title: { text: "round, in the order of the run (red: noisy)" } },
      yaxis: { ticksuffix: "×" },
      yaxis2: {
        overlaying: "y",
        side: "right",
        showgrid: false,
        tickmode: "auto",
        nticks: 4,
        range: [0, Math.max(0.5, 1.1 * Math.max(...noise.foreign_cores))],
        automargin: true,
        title: { text: "cores", font: { size: 11 } },
      },
    };
    return {
      traces: [foreign, dots("before a round", noise.before, "circle"), dots("after it", noise.after, "circle-open")],
      layout,
    };
  });

  // A mark in the middle of the rows of each task, with its name.
  function tasksOf(index, count) {
    const rows = page.data.rows.filter((row) => row.run === index);
    const tasks = [...new Set(rows.map((row) => row.task))];
    const places = tasks.map((task) =>
      rows.map((row, at) => (row.task === task ? count - 1 - at : -1)).filter((at) => at >= 0),
    );
    return {
      tickvals: places.map((each) => (Math.min(...each) + Math.max(...each)) / 2),
      ticktext: tasks.map((task) => page.plain(task.length > 22 ? task.slice(0, 21) + "…" : task)),
    };
  }

  page.chart("schedule", function (index) {
    const schedule = page.data.schedule[index];
    const shown = schedule.row
      .map((_, at) => at)
      .filter((at) => schedule.begin_s[at] !== null && page.passes(page.data.rows[schedule.row[at]]));
    if (!shown.length) return "No process of this run has a time.";
    const rowAt = (at) => page.data.rows[schedule.row[at]];
    const nameOf = (row) => `${page.plain(row.task)} ${page.plain(row.label)}`;
    const names = [...new Set(page.data.rows.filter((row) => row.run === index).map(nameOf))].reverse();
    const words = (at) =>
      `${nameOf(rowAt(at))}<br>round ${schedule.round[at]}: ${page.plain(schedule.status[at])}${schedule.wall_s[at] === null ? "" : ", " + page.seconds(schedule.wall_s[at])}`;
    const good = shown.filter((at) => schedule.wall_s[at] !== null);
    const bad = shown.filter((at) => schedule.status[at] !== "ok");
    const bars = {
      type: "bar",
      orientation: "h",
      y: good.map((at) => names.indexOf(nameOf(rowAt(at)))),
      base: good.map((at) => schedule.begin_s[at]),
      x: good.map((at) => schedule.wall_s[at]),
      marker: { color: good.map((at) => page.colours[rowAt(at).colour]), opacity: 0.75 },
      text: good.map(words),
      textposition: "none",
      hoverinfo: "text",
      width: 0.8,
    };
    const crosses = {
      type: "scatter",
      mode: "markers",
      x: bad.map((at) => schedule.begin_s[at]),
      y: bad.map((at) => names.indexOf(nameOf(rowAt(at)))),
      text: bad.map(words),
      hoverinfo: "text",
      marker: { symbol: "x", size: 8, color: page.lines.bad },
    };
    const layout = {
      xaxis: { title: { text: "seconds since the first process" } },
      yaxis: { ...tasksOf(index, names.length), range: [-0.8, names.length - 0.2], showgrid: false, zeroline: false },
    };
    return { traces: [bars, crosses], layout };
  });
})(window.page);
