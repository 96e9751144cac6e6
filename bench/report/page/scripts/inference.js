"use strict";
// Latency of one row, and throughput in batches, of each row of a task.
(function (page) {
  function found(group) {
    const shown = new Map(page.members(group, true).map((row) => [row.place, row]));
    return page.data.inference
      .filter((each) => shown.has(each.row) && !each.why)
      .map((each) => [shown.get(each.row), each]);
  }

  // The interval of a time is that of its ratio to the best row.
  function reach(cost, value, turned) {
    if (!cost.between || !cost.ratio) return [0, 0];
    const [low, high] = cost.between.map((ratio) =>
      turned ? (value * cost.ratio) / ratio : (value * ratio) / cost.ratio,
    );
    return turned ? [value - high, low - value] : [value - low, high - value];
  }

  function dots(pairs, values, costs, turned, words) {
    const names = pairs.map(([row]) => page.plain(row.label));
    const ends = pairs.map((_, at) => reach(costs[at], values[at], turned));
    const colours = pairs.map(([row]) => page.colours[row.colour]);
    return {
      type: "scatter",
      mode: "markers",
      x: values,
      y: names,
      marker: { size: 9, color: colours, symbol: pairs.map(([row]) => row.marker) },
      error_x: {
        type: "data",
        symmetric: false,
        arrayminus: ends.map((end) => end[0]),
        array: ends.map((end) => end[1]),
        thickness: 1.5,
        width: 4,
        color: page.lines.axis,
      },
      text: pairs.map(([row], at) => `${page.plain(row.label)}<br>${words(at)}`),
      hoverinfo: "text",
    };
  }

  const sorted = (pairs, value) => pairs.slice().sort((a, b) => value(b[1]) - value(a[1]));
  const layoutOf = (pairs, xaxis) => ({
    xaxis,
    yaxis: {
      categoryorder: "array",
      categoryarray: pairs.map(([row]) => page.plain(row.label)),
      gridcolor: "rgba(0,0,0,0)",
    },
  });

  page.chart("latency", function (_, group) {
    const pairs = sorted(found(group), (each) => each.latency.time_s);
    if (!pairs.length) return "No row of this task has answered requests and is ranked.";
    const values = pairs.map(([, each]) => each.latency.time_s);
    const tails = {
      type: "scatter",
      mode: "markers",
      x: pairs.map(([, each]) => each.p99_s),
      y: pairs.map(([row]) => page.plain(row.label)),
      marker: {
        size: 7,
        symbol: "circle-open",
        color: pairs.map(([row]) => page.colours[row.colour]),
        line: { width: 1.5 },
      },
      text: pairs.map(([row, each]) => `${page.plain(row.label)}<br>99th percentile ${page.seconds(each.p99_s)}`),
      hoverinfo: "text",
    };
    const main = dots(
      pairs,
      values,
      pairs.map(([, each]) => each.latency),
      false,
      (at) => `median ${page.seconds(values[at])}: ${pairs[at][1].latency.verdict}`,
    );
    const xaxis = page.timeAxis("");
    xaxis.range = page.logRange([...values, ...tails.x], 1.5);
    return { traces: [main, tails], layout: layoutOf(pairs, xaxis) };
  });

  page.chart("throughput", function (_, group) {
    const pairs = sorted(found(group), (each) => -each.rows_per_s);
    if (!pairs.length) return "No row of this task has answered requests and is ranked.";
    const values = pairs.map(([, each]) => each.rows_per_s);
    const main = dots(
      pairs,
      values,
      pairs.map(([, each]) => each.batches),
      true,
      (at) =>
        `${page.count(values[at])} rows/s in batches of ${pairs[at][1].batch_rows}: ${pairs[at][1].batches.verdict}`,
    );
    return {
      traces: [main],
      layout: layoutOf(pairs, { type: "log", title: { text: "rows per second" }, range: page.logRange(values, 1.6) }),
    };
  });
})(window.page);
