"use strict";
// Raw samples: a dot for each process, a table of all of them, and a file to save.
(function (page) {
  const PAGE_ROWS = 25;
  const T = TableCore;

  // All processes of the rows that the filters leave, as [run, place in its columns].
  function processes() {
    const found = [];
    page.data.samples.forEach(function (columns, run) {
      (columns.row || []).forEach((place, at) => page.passes(page.data.rows[place]) && found.push([run, at]));
    });
    return found;
  }

  const valueOf = ([run, at], name) => (page.data.samples[run][name] || [])[at];
  const names = () =>
    [...new Set(page.data.samples.flatMap((columns) => Object.keys(columns)))].filter((name) => name !== "row");

  page.chart("strips", function (_, group) {
    const rows = page.members(group).slice().reverse();
    if (!rows.length) return "No ranked row to show.";
    const columns = page.data.samples[group.run];
    const traces = rows.map(function (row, place) {
      const own = columns.row
        .map((_, at) => at)
        .filter((at) => columns.row[at] === row.place && columns.pass_s[at] !== null);
      return {
        type: "scatter",
        mode: "markers",
        x: own.map((at) => columns.pass_s[at]),
        y: own.map((_, at) => place + 0.36 * ((at + 0.5) / own.length - 0.5)),
        marker: { size: 7, opacity: 0.75, color: page.colours[row.colour], symbol: row.marker },
        text: own.map(
          (at) =>
            `${page.plain(row.label)}<br>round ${columns.round[at]}: ${page.seconds(columns.pass_s[at])}${columns.noise && columns.noise[at] ? "<br>" + page.plain(columns.noise[at]) : ""}`,
        ),
        hoverinfo: "text",
      };
    });
    const shapes = rows.map((row, place) => ({
      type: "line",
      x0: row.pass_s,
      x1: row.pass_s,
      y0: place - 0.38,
      y1: place + 0.38,
      line: { color: page.lines.ink, width: 1.5 },
    }));
    const xaxis = page.timeAxis("");
    xaxis.range = page.logRange(
      traces.flatMap((trace) => trace.x),
      1.2,
    );
    const yaxis = {
      tickvals: rows.map((_, place) => place),
      ticktext: rows.map((row) => page.plain(row.label)),
      zeroline: false,
      range: [-0.7, rows.length - 0.3],
    };
    return { traces, layout: { shapes, xaxis, yaxis }, height: Math.max(220, 70 + 28 * rows.length) };
  });

  function textOf(value) {
    if (value === null || value === undefined) return "";
    if (Array.isArray(value)) return value.map((each) => (each === null ? "" : each)).join(" ");
    return String(value);
  }

  // A cell that begins like a formula is text for a spreadsheet too.
  function csvCell(value) {
    const text = textOf(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  page.csv = function () {
    const columns = names();
    const lines = processes().map(function (process) {
      const row = page.data.rows[valueOf(process, "row")];
      const own = [page.data.runs[process[0]].name, row.task, row.backend, row.mode, row.device, row.precision];
      return [...own, ...columns.map((name) => valueOf(process, name))].map(csvCell).join(",");
    });
    return (
      [["run", "task", "backend", "mode", "device", "precision", ...columns].join(","), ...lines].join("\n") + "\n"
    );
  };

  function save() {
    const address = URL.createObjectURL(new Blob([page.csv()], { type: "text/csv" }));
    const link = page.element("a", { href: address, download: "samples.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    document.getElementById("saved").textContent = `Saved ${processes().length} processes.`;
  }

  const SHOWN = [
    "round",
    "status",
    "pass_s",
    "first_call_s",
    "one_training_s",
    "wall_s",
    "cpu_s",
    "peak_memory_bytes",
    "value",
    "noise",
    "reason",
  ];

  function cellText(name, value) {
    if (value === null || value === undefined) return "";
    if (name.endsWith("_s")) return page.seconds(value);
    if (name.endsWith("_bytes")) return page.megabytes(value);
    return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
  }

  let table;
  let first = 0;

  function draw() {
    const columns = SHOWN.filter((name) => names().includes(name));
    const rows = table.getRowModel().rows.map((each) => each.original);
    const place = document.getElementById("raw");
    const heads = ["task", "row", ...columns].map((name) => page.element("th", { scope: "col" }, name));
    place.tHead.replaceChildren(page.element("tr", {}, ...heads));
    const lines = rows.map(function (process) {
      const row = page.data.rows[valueOf(process, "row")];
      const cells = columns.map((name) =>
        page.element("td", { class: "number" }, cellText(name, valueOf(process, name))),
      );
      return page.element(
        "tr",
        {},
        page.element("td", {}, row.task),
        page.element("th", { scope: "row" }, row.label),
        ...cells,
      );
    });
    place.tBodies[0].replaceChildren(...lines);
    pager();
  }

  function pager() {
    const all = table.getPrePaginatedRowModel().rows.length;
    first = table.atoms.pagination.get().pageIndex * PAGE_ROWS;
    const step = (text, turn, able) =>
      page.element("button", { type: "button", disabled: !able, onclick: () => (turn(), draw()) }, text);
    document.getElementById("pager").replaceChildren(
      step("Earlier", () => table.previousPage(), table.getCanPreviousPage()),
      page.element(
        "span",
        { class: "status" },
        all ? `${first + 1} to ${Math.min(all, first + PAGE_ROWS)} of ${all}` : "none",
      ),
      step("Later", () => table.nextPage(), table.getCanNextPage()),
    );
  }

  function fill() {
    const features = T.tableFeatures({
      coreReactivityFeature: T.storeReactivityBindings(),
      rowPaginationFeature: T.rowPaginationFeature,
      paginatedRowModel: T.createPaginatedRowModel(),
    });
    const columns = [{ id: "row", accessorFn: (process) => process[1] }];
    table = T.constructTable({
      features,
      columns,
      data: processes(),
      getRowId: (process) => process.join(":"),
      initialState: { pagination: { pageIndex: 0, pageSize: PAGE_ROWS } },
    });
    draw();
  }

  page.initSamples = function () {
    const details = document.querySelector('[data-open="raw"]');
    document.getElementById("save").addEventListener("click", save);
    details.addEventListener("toggle", () => details.open && fill());
    page.follow(() => details.open && fill());
  };
})(window.page);
