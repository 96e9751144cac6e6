"use strict";
// What all charts share: when they are drawn, their colours, and the task that they show.
(function (page) {
  const makers = {}; // by kind: (index, group) -> { traces, layout, height }, a sentence why there is nothing, or null
  const WATCHED = ["theme", "focus", "task", "backend", "mode", "device", "machine", "run", "q", "goal"];

  // A chart of a kind; `task` says whether it shows one task at a time.
  page.chart = (kind, maker) => (makers[kind] = maker);

  const titleOf = function (group) {
    const runs = page.data.runs.length > 1 ? ` · ${page.data.runs[group.run].name}` : "";
    const precisions = new Set(page.data.groups.map((each) => each.precision)).size > 1 ? ` · ${group.precision}` : "";
    return group.task + runs + precisions;
  };

  // The group of rows that the charts show: the chosen one, if a filter does not hide it, or the first that is left.
  page.focused = function () {
    const left = page.data.groups.filter((group) => group.rows.some((place) => page.passes(page.data.rows[place])));
    return left.find((group) => titleOf(group) === page.view.focus) || left[0] || page.data.groups[0];
  };

  // The rows of a group that the filters leave; of those that are ranked alone, unless told otherwise.
  page.members = (group, all) =>
    group.rows.map((place) => page.data.rows[place]).filter((row) => page.passes(row) && (all || row.cause === null));

  page.style = function (row) {
    const colour = page.colours[row.colour];
    return {
      line: { color: colour, dash: row.dash, width: 2 },
      marker: { color: colour, symbol: row.marker, size: 8 },
    };
  };

  // A logarithmic axis whose marks are times with units.
  page.timeAxis = function (title) {
    const [values, texts] = [[], []];
    for (let power = -7; power < 6; power++)
      for (const digit of [1, 2, 5]) {
        values.push(digit * 10 ** power);
        const named = digit === 1 && (innerWidth >= 700 || power % 2 === 0);
        texts.push(named ? page.seconds(10 ** power) : "");
      }
    return { type: "log", title: { text: title }, tickvals: values, ticktext: texts, tickangle: 0 };
  };

  // A logarithmic axis of numbers without a unit: marks at powers of ten or, if there are too few of them, between.
  page.powerAxis = function (title, traces) {
    const known = traces.flatMap((trace) => trace.y).filter((value) => value > 0);
    const decades = Math.log10(Math.max(...known) / Math.min(...known));
    return { type: "log", exponentformat: "power", title: { text: title }, dtick: decades > 1.3 ? 1 : "D2" };
  };

  // The ends of a logarithmic axis around these numbers.
  page.logRange = function (numbers, room = 1.25) {
    const known = numbers.filter((each) => each > 0);
    if (!known.length) return undefined;
    return [Math.log10(Math.min(...known) / room), Math.log10(Math.max(...known) * room)];
  };

  function axis(given) {
    const usual = {
      gridcolor: page.lines.grid,
      zerolinecolor: page.lines.grid,
      linecolor: page.lines.axis,
      automargin: true,
      tickfont: { size: 12 },
      title: { font: { size: 12 }, standoff: 8 },
    };
    const title = { ...usual.title, ...(given || {}).title };
    return { ...usual, ...given, title };
  }

  // On a phone the legend stands below the chart, in two columns, and gets the room that it needs.
  function legendOf(given, traces, height) {
    if (innerWidth >= 700 || !given.showlegend)
      return { height, legend: { font: { size: 12 }, x: 1.01, y: 1, tracegroupgap: 0, ...given.legend } };
    const named = traces.filter((trace) => trace.showlegend !== false);
    const columns = named.some((trace) => trace.name.length > 18) ? 1 : 2;
    const lines = Math.ceil(named.length / columns);
    const room = 20 * lines + 14;
    const legend = {
      orientation: "h",
      yref: "container",
      y: 0,
      yanchor: "bottom",
      xref: "container",
      x: 0,
      font: { size: 11 },
      entrywidthmode: "fraction",
      entrywidth: 0.96 / columns,
      traceorder: "normal",
    };
    return { height: height + room, legend, margin: { l: 8, r: 12, t: 14, b: 40 + room } };
  }

  function layoutOf(given, traces, usual) {
    const narrow = innerWidth < 700;
    const { height, ...room } = legendOf(given, traces, usual);
    return {
      height,
      showlegend: false,
      hovermode: "closest",
      barmode: "overlay",
      dragmode: narrow ? false : "zoom",
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: page.lines.text, family: page.lines.font, size: 12 },
      margin: { l: 8, r: 12, t: 14, b: 34 },
      hoverlabel: { bgcolor: page.lines.paper, bordercolor: page.lines.axis, font: { color: page.lines.ink } },
      ...given,
      ...room,
      xaxis: axis(given.xaxis),
      yaxis: axis(given.yaxis),
    };
  }

  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false, doubleClick: "reset" };

  page.readColours = function () {
    page.colours = Array.from({ length: 10 }, (_, place) => page.colour(`--c${place}`));
    page.phaseColours = Array.from({ length: 9 }, (_, place) => page.colour(`--p${place}`));
    page.lines = {
      text: page.colour("--soft"),
      ink: page.colour("--ink"),
      grid: page.colour("--line"),
      axis: page.colour("--faint"),
      paper: page.colour("--paper"),
      good: page.colour("--good"),
      bad: page.colour("--bad"),
      font: getComputedStyle(document.body).fontFamily,
    };
  };

  function drawOne(figure) {
    const plot = figure.querySelector(".plot");
    const empty = figure.querySelector(".empty");
    const made = makers[figure.dataset.chart](Number(figure.dataset.index || 0), page.focused());
    figure.dataset.drawn = "yes";
    figure.hidden = made === null;
    if (figure.hidden) return;
    const nothing = typeof made === "string";
    empty.hidden = !nothing;
    plot.hidden = nothing;
    if (nothing) {
      empty.textContent = made;
      return;
    }
    const height = made.height || parseInt(getComputedStyle(figure).getPropertyValue("--height"), 10);
    const layout = layoutOf(made.layout, made.traces, height);
    plot.style.minHeight = `${layout.height}px`;
    Plotly.react(plot, made.traces, layout, CONFIG);
  }

  function focusPicker(place) {
    const choose = (title) => page.change({ focus: title });
    const titles = page.data.groups.map(titleOf);
    if (titles.length < 2) return;
    if (titles.length > 6) {
      const list = page.element("select", { "aria-label": "Task that the charts show" });
      titles.forEach((title) => list.append(page.element("option", {}, title)));
      list.addEventListener("change", () => choose(list.value));
      place.append(list);
      page.follow(() => (list.value = titleOf(page.focused())));
      return;
    }
    const buttons = titles.map((title) =>
      page.element("button", { type: "button", onclick: () => choose(title) }, title),
    );
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", "Task that the charts show");
    place.append(...buttons);
    page.follow(() =>
      buttons.forEach((button, at) =>
        button.setAttribute("aria-pressed", String(titles[at] === titleOf(page.focused()))),
      ),
    );
  }

  page.initCharts = function () {
    document.querySelectorAll("[data-focus]").forEach(focusPicker);
    const figures = [...document.querySelectorAll(".chart")];
    page.readColours();
    const watcher = new IntersectionObserver(
      function (entries) {
        for (const entry of entries)
          if (entry.isIntersecting && entry.target.dataset.drawn !== "yes") drawOne(entry.target);
      },
      { rootMargin: "300px" },
    );
    figures.forEach((figure) => watcher.observe(figure));
    page.redraw = function () {
      page.readColours();
      for (const figure of figures) {
        if (figure.dataset.drawn !== "yes") continue;
        figure.dataset.drawn = "no";
        figure.hidden = false;
        watcher.unobserve(figure);
        watcher.observe(figure); // draws those that are on the screen now, the others when they come
      }
    };
    page.drawAll = () => figures.forEach(drawOne);
    page.follow(function (changed) {
      if (WATCHED.some((name) => changed.has(name))) page.redraw();
    });
  };
})(window.page);
