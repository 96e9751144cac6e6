"use strict";
// What the model of a task learned: points and curve, or confused classes and images; its metric by epoch and by time.
(function (page) {
  const learnedOf = (group) => page.data.learned.find((each) => group.rows.includes(each.row));
  const onlyLine = (found) => found && found.outputs.length > 0 && !found.classes.length;
  const firsts = (outputs) => outputs.map((each) => (Array.isArray(each) ? each[0] : each));

  // From light to dark, the way of the training.
  function shade(place, count) {
    const share = count < 2 ? 1 : place / (count - 1);
    return `color-mix(in srgb, ${page.colours[7]} ${Math.round(25 + 75 * share)}%, ${page.lines.grid})`;
  }

  // Plotly reads no color-mix: the browser says which colour it is.
  function resolved(colour) {
    const probe = document.body.appendChild(page.element("span", { style: `color: ${colour}` }));
    const found = getComputedStyle(probe).color;
    probe.remove();
    const parts = /^color\(srgb ([\d.]+) ([\d.]+) ([\d.]+)/.exec(found);
    return parts ? `rgb(${parts.slice(1).map((part) => Math.round(255 * part))})` : found;
  }

  function fittedCurve(found) {
    const order = found.inputs.map((_, at) => at).sort((a, b) => found.inputs[a] - found.inputs[b]);
    const along = (values) => order.map((at) => values[at]);
    const x = along(found.inputs);
    const points = { type: "scatter", mode: "markers", name: "targets", x, y: along(found.targets), hoverinfo: "x+y" };
    points.marker = { color: page.lines.axis, size: 6 };
    const way = found.snapshots.map((each, place) => ({
      type: "scatter",
      mode: "lines",
      name: `after ${page.count(each.step)} steps`,
      x,
      y: along(firsts(each.outputs)),
      line: { color: resolved(shade(place, found.snapshots.length)), width: 1.2 },
      hoverinfo: "name",
    }));
    const end = { type: "scatter", mode: "lines", name: "this row, at the end", x, y: along(firsts(found.outputs)) };
    Object.assign(end, { line: { color: page.colours[1], width: 3 }, hoverinfo: "x+y" });
    const [low, high] = [Math.min(...found.targets), Math.max(...found.targets)];
    const room = (high - low || 1) / 2;
    const yaxis = { title: { text: "target and output" }, range: [low - room, high + room] };
    return {
      traces: [points, ...way, end],
      layout: { showlegend: true, xaxis: { title: { text: "input, scaled as for training" } }, yaxis },
    };
  }

  function outputsAgainstTargets(found) {
    const ends = [Math.min(...found.targets), Math.max(...found.targets)];
    const diagonal = { type: "scatter", mode: "lines", name: "equal", x: ends, y: ends, hoverinfo: "skip" };
    diagonal.line = { color: page.lines.axis, width: 1, dash: "dot" };
    const middle = found.snapshots[Math.floor(found.snapshots.length / 2)];
    const dots = (name, outputs, colour, symbol) => ({
      type: "scatter",
      mode: "markers",
      name,
      x: found.targets,
      y: firsts(outputs),
      marker: { color: colour, size: 6, symbol },
      hoverinfo: "x+y",
    });
    const traces = [diagonal];
    if (middle)
      traces.push(dots(`after ${page.count(middle.step)} steps`, middle.outputs, page.colours[3], "diamond-open"));
    traces.push(dots("this row, at the end", found.outputs, page.colours[1], "circle"));
    return {
      traces,
      layout: { showlegend: true, xaxis: { title: { text: "target" } }, yaxis: { title: { text: "output" } } },
    };
  }

  page.chart("fitted", function (_, group) {
    const found = learnedOf(group);
    if (!onlyLine(found)) return null;
    return found.inputs.length ? fittedCurve(found) : outputsAgainstTargets(found);
  });

  page.chart("residuals", function (_, group) {
    const found = learnedOf(group);
    if (!onlyLine(found)) return null;
    const single = found.inputs.length > 0;
    const left = firsts(found.outputs).map((output, at) => (output === null ? null : output - found.targets[at]));
    const trace = {
      type: "scatter",
      mode: "markers",
      x: single ? found.inputs : found.targets,
      y: left,
      hoverinfo: "x+y",
    };
    trace.marker = { color: page.colours[1], size: 6 };
    const xaxis = { title: { text: single ? "input" : "target" } };
    return { traces: [trace], layout: { xaxis, yaxis: { title: { text: "output − target" } } } };
  });

  // The rows that have a metric after each pass, as far as the filters leave them.
  function told(group) {
    const found = learnedOf(group);
    const rows = found ? found.by_pass.map((each) => [page.data.rows[each.row], each.values]) : [];
    return { found, rows: rows.filter(([row]) => page.passes(row)) };
  }

  page.chart("metric", function (_, group) {
    const { found, rows } = told(group);
    if (!rows.length) return null;
    const traces = rows.map(function ([row, values]) {
      const wrong = row.cause === "wrong" ? " (failed parity)" : "";
      const few = values.length <= 60;
      return {
        type: "scatter",
        mode: few ? "lines+markers" : "lines",
        name: page.plain(row.label) + wrong,
        x: values.map((_, at) => at + 1),
        y: values,
        ...page.style(row),
        text: values.map((value, at) => `${page.plain(row.label)}${wrong}<br>epoch ${at + 1}: ${value}`),
        hoverinfo: "text",
      };
    });
    const layout = {
      showlegend: true,
      xaxis: { title: { text: "epoch" }, dtick: rows[0][1].length <= 12 ? 1 : undefined },
      yaxis: { title: { text: found.metric } },
    };
    return { traces, layout };
  });

  const better = (metric) => (metric === "RMSE" ? (value, goal) => value <= goal : (value, goal) => value >= goal);

  // The seconds after which a row reaches a goal, in a process of its own; null if it never does.
  function reached(row, values, found, goal) {
    const passes = values.findIndex((value) => value !== null && better(found.metric)(value, goal)) + 1;
    return passes && row.cause === null && row.fixed_s !== null ? [row.fixed_s + passes * row.pass_s, passes] : null;
  }

  // The goals to choose from: what the first row of the task reached, pass by pass, each better than the one before.
  function goalsOf(group) {
    const { found, rows } = told(group);
    if (!rows.length) return [];
    const goals = [];
    for (const value of rows[0][1]) {
      const last = goals[goals.length - 1];
      if (value !== null && (last === undefined || (better(found.metric)(value, last) && value !== last)))
        goals.push(value);
    }
    return goals;
  }

  const goalOf = function (group) {
    const goals = goalsOf(group);
    return goals.includes(Number(page.view.goal)) ? Number(page.view.goal) : goals[goals.length - 1];
  };

  page.chart("goal", function (_, group) {
    const { found, rows } = told(group);
    const goal = goalOf(group);
    const known = rows.map(([row, values]) => [row, reached(row, values, found, goal)]).filter(([, time]) => time);
    if (goal === undefined || !known.length) return null;
    known.sort((a, b) => b[1][0] - a[1][0]);
    const trace = {
      type: "bar",
      orientation: "h",
      y: known.map(([row]) => page.plain(row.label)),
      x: known.map(([, [time_s]]) => time_s),
      text: known.map(
        ([, [time_s, passes]]) => `${page.seconds(time_s)}, ${passes} ${passes === 1 ? "epoch" : "epochs"}`,
      ),
      textposition: "outside",
      cliponaxis: false,
      hoverinfo: "none",
      marker: { color: known.map(([row]) => page.colours[row.colour]), opacity: 0.85 },
    };
    const range = [0, 1.4 * Math.max(...trace.x)];
    const layout = {
      bargap: 0.35,
      xaxis: { range, showticklabels: false, showgrid: false },
      yaxis: { gridcolor: "rgba(0,0,0,0)" },
    };
    return { traces: [trace], layout, height: Math.max(110, 70 + 26 * known.length) };
  });

  function goalPicker(group) {
    const place = document.getElementById("goal");
    const goals = goalsOf(group);
    if (goals.length < 2) return place.replaceChildren();
    const list = page.element("select", { id: "goal-list", "aria-label": "Result to reach" });
    goals.forEach((goal) => list.append(page.element("option", { value: goal }, String(goal))));
    list.value = String(goalOf(group));
    list.addEventListener("change", () => page.change({ goal: list.value }));
    place.replaceChildren(page.element("label", {}, `Time until the ${learnedOf(group).metric} is `, list));
  }

  function confusion(found) {
    if (!found.confusion.length) return null;
    const names = found.confusion.map((_, at) => found.classes[at] || String(at));
    const head = page.element("tr", {}, page.element("th", { scope: "col" }, "class ↓ given →"));
    names.forEach((name) => head.append(page.element("th", { scope: "col", class: "number" }, name)));
    const lines = found.confusion.map(function (counts, at) {
      const all = counts.reduce((a, b) => a + b, 0) || 1;
      const line = page.element("tr", {}, page.element("th", { scope: "row" }, names[at]));
      counts.forEach(function (count, given) {
        const share = Math.round((100 * count) / all);
        const kind = `number${given === at ? " hit" : count ? " miss" : ""}`;
        line.append(page.element("td", { class: kind, style: `--share: ${share}%` }, count ? page.count(count) : "·"));
      });
      return line;
    });
    const table = page.element(
      "table",
      { class: "plain confusion" },
      page.element("thead", {}, head),
      page.element("tbody", {}, ...lines),
    );
    const caption = page.element("figcaption", {}, "Which class each class was given, on the evaluation rows");
    const scroll = page.element(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": "Confusion" },
      table,
    );
    return page.element("figure", { class: "chart" }, caption, scroll);
  }

  function picture(bytes, [height, width]) {
    const canvas = page.element("canvas", { width, height, "aria-hidden": "true" });
    const pixels = new ImageData(width, height);
    const grey = atob(bytes);
    for (let at = 0; at < width * height; at++) {
      pixels.data.set([0, 0, 0, grey.charCodeAt(at)], 4 * at); // ink on whatever is behind it
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  }

  function image(found, at) {
    const shares = found.outputs[at] || [];
    const given = shares.indexOf(Math.max(...shares));
    const target = found.targets[at];
    const right = given === target;
    const words = given < 0 ? "no class" : `${found.classes[given]}: ${Math.round(100 * shares[given])} %`;
    const bars = page.element("span", { class: "shares", "aria-hidden": "true" });
    shares.forEach((share, place) =>
      bars.append(
        page.element("i", { style: `--share: ${Math.round(100 * share)}%`, class: place === target ? "hit" : "" }),
      ),
    );
    const caption = page.element(
      "figcaption",
      { class: right ? "" : "miss" },
      right ? words : `${words}, is ${found.classes[target]}`,
    );
    return page.element("figure", {}, picture(found.images[at], found.image_shape), bars, caption);
  }

  function images(found) {
    if (!found.images.length) return null;
    const caption = page.element(
      "figcaption",
      {},
      "Images with the class that the model gives them, and the probability of each class",
    );
    const all = found.images.map((_, at) => image(found, at));
    return page.element("figure", { class: "chart" }, caption, page.element("div", { class: "digits" }, ...all));
  }

  function words(found) {
    const row = page.data.rows[found.row];
    const counts = found.right ? "" : " It failed a check: this does not count.";
    const cut = found.cut ? ` ${found.cut}.` : "";
    return `Outputs of ${row.label}; those of every other right row differ by rounding only.${counts}${cut}`;
  }

  function draw() {
    const group = page.focused();
    const found = learnedOf(group);
    const parts = found && found.classes.length ? [images(found), confusion(found)].filter(Boolean) : [];
    document.getElementById("classes").replaceChildren(...parts);
    document.getElementById("learned-words").textContent = found
      ? words(found)
      : "This run file does not say what this task's models learned.";
    goalPicker(group);
  }

  page.initLearned = function () {
    if (!document.getElementById("classes")) return;
    const watched = ["focus", "task", "backend", "mode", "device", "run", "q", "goal"];
    page.follow((changed) => watched.some((name) => changed.has(name)) && draw());
  };
})(window.page);
