"use strict";
// The table of all rows: sorted and filtered by TanStack Table, drawn here task by task.
(function (page) {
  const T = TableCore;
  const open = new Set(); // places of rows whose details are shown

  let table;

  function make() {
    const features = T.tableFeatures({
      coreReactivityFeature: T.storeReactivityBindings(),
      columnFilteringFeature: T.columnFilteringFeature,
      rowSortingFeature: T.rowSortingFeature,
      filteredRowModel: T.createFilteredRowModel(),
      sortedRowModel: T.createSortedRowModel(),
      sortFns: { basic: T.sortFn_basic, text: T.sortFn_text },
      filterFns: {},
    });
    const columns = page.COLUMNS.map((each) => ({
      id: each.id,
      accessorFn: (row) => page.sortValue(each, row),
      sortFn: page.TEXTS.has(each.id) ? "text" : "basic",
      sortUndefined: "last",
      filterFn: (row) => page.passes(row.original),
    }));
    table = T.constructTable({ features, columns, data: page.data.rows, getRowId: (row) => String(row.place) });
  }

  function sorting() {
    const [id, way] = page.view.sort.split(".");
    return page.COLUMNS.some((each) => each.id === id) ? [{ id, desc: way === "desc" }] : [];
  }

  function columnsNow() {
    const based = page.view.base !== "";
    const known = (each) => page.data.rows.some((row) => page.sortValue(each, row) !== undefined);
    return page.COLUMNS.filter(function (each) {
      if (["base", "tobase"].includes(each.id)) return based;
      return (!each.more || page.view.columns === "all") && known(each);
    });
  }

  function sortBy(column) {
    const [now] = sorting();
    if (!now || now.id !== column.id) page.change({ sort: column.id });
    else page.change({ sort: now.desc ? "" : `${column.id}.desc` });
  }

  function head(columns) {
    const [now] = sorting();
    const cells = columns.map(function (each) {
      const sorted = now && now.id === each.id ? (now.desc ? "descending" : "ascending") : null;
      const arrow = sorted ? (now.desc ? " ↓" : " ↑") : "";
      const button = page.element(
        "button",
        { type: "button", title: each.about, onclick: () => sortBy(each) },
        each.title + arrow,
      );
      const kind = page.TEXTS.has(each.id) ? "" : "number";
      return page.element("th", { scope: "col", class: kind, "aria-sort": sorted, "data-column": each.id }, button);
    });
    return page.element("tr", {}, ...cells);
  }

  function rowHead(row) {
    const name = page.element("button", {
      type: "button",
      class: "label",
      "aria-expanded": String(open.has(row.place)),
      title: "Show details",
    });
    name.append(
      page.element("span", { class: "swatch", "data-colour": row.colour }),
      page.element("span", { class: "text" }, row.label),
    );
    name.addEventListener("click", function () {
      if (!open.delete(row.place)) open.add(row.place);
      draw();
      document.querySelector(`tr[data-row="${row.place}"] .label`).focus();
    });
    const cell = page.element("th", { scope: "row" }, name);
    if (row.cause === null) {
      const chosen = page.isBaseline(row);
      const choose = page.element(
        "button",
        { type: "button", class: "choose", "aria-pressed": String(chosen), "aria-label": `Baseline ${row.label}` },
        chosen ? "baseline" : "vs",
      );
      choose.addEventListener("click", function () {
        page.chooseBaseline(row);
        document.querySelector(`tr[data-row="${row.place}"] .choose`).focus();
      });
      cell.append(" ", choose);
    }
    return cell;
  }

  function line(row, columns) {
    const kind = row.cause ? "unranked" : ["fastest", "among the fastest"].includes(row.verdict) ? "best" : "";
    const made = page.element(
      "tr",
      { class: `${kind}${row.cause === null && page.isBaseline(row) ? " chosen" : ""}`, "data-row": row.place },
      rowHead(row),
    );
    for (const each of columns.slice(1)) {
      const text = page.TEXTS.has(each.id);
      let content = each.cell(row);
      if (row.cause && each.id === "verdict")
        content = page.element(
          "span",
          { class: `badge ${page.alarming(row) ? "bad" : "mild"}` },
          page.CAUSES[row.cause] || row.cause,
        );
      made.append(
        page.element("td", { class: `${text ? "" : "number"}${each.id === "pass" ? " lead-number" : ""}` }, content),
      );
    }
    return made;
  }

  function groupHead(group, columns) {
    const several = page.data.runs.length > 1 ? ` · ${page.data.runs[group.run].name}` : "";
    const title = page.element("div", {}, `${group.task}${several}`, page.element("small", {}, page.groupWords(group)));
    return page.element(
      "tr",
      { class: "group" },
      page.element("th", { scope: "rowgroup", colspan: columns.length }, title),
    );
  }

  // The name of a machine, before the first of its groups that is shown; nothing if there is only one machine.
  function machineHead(group, before, columns) {
    const machine = page.data.runs[group.run].machine;
    if (!machine || (before && page.data.runs[before.run].machine === machine)) return null;
    const name = page.element("th", { scope: "colgroup", colspan: columns.length }, machine);
    return page.element("tbody", {}, page.element("tr", { class: "machine" }, name));
  }

  function draw() {
    const columns = columnsNow();
    const place = document.getElementById("rows");
    place.tHead.replaceChildren(head(columns));
    const sorted = table.getRowModel().rows.map((each) => each.original);
    let before = null;
    const bodies = page.data.groups.flatMap(function (group, number) {
      const members = sorted.filter((row) => row.group === number);
      members.sort((a, b) => (a.cause !== null) - (b.cause !== null)); // what does not count comes last
      if (!members.length) return [];
      const machine = machineHead(group, before, columns);
      before = group;
      const body = page.element("tbody", {}, groupHead(group, columns));
      for (const row of members) {
        body.append(line(row, columns));
        if (open.has(row.place)) body.append(page.detailLine(row, columns.length));
      }
      return machine ? [machine, body] : [body];
    });
    place.replaceChildren(place.tHead, ...bodies);
    const status = document.getElementById("status");
    const words = [page.filterWords(), page.baselineWords()].filter(Boolean).join(" ");
    status.textContent = words;
    status.classList.toggle("warn", words !== "");
  }

  page.initTable = function () {
    make();
    const more = page.element("button", { type: "button", "aria-pressed": "false" }, "All columns");
    more.addEventListener("click", () => page.change({ columns: page.view.columns ? "" : "all" }));
    document.getElementById("filters").append(more);
    page.follow(function (changed) {
      more.setAttribute("aria-pressed", String(page.view.columns === "all"));
      const own = ["task", "backend", "mode", "device", "machine", "run", "q", "sort", "base", "columns"];
      if (!own.some((name) => changed.has(name))) return;
      table.setSorting(sorting());
      table.setColumnFilters(
        page.filtered() ? [{ id: "row", value: [page.view.q, ...own.map((name) => page.view[name])].join() }] : [],
      );
      draw();
    });
  };
})(window.page);
