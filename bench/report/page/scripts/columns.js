"use strict";
// The columns of the table: what each is called, what it is sorted by, and how a cell looks.
(function (page) {
  const LAST = undefined;

  const quiet = (text) => page.element("span", { class: "quiet" }, text);

  function ratioCell(found) {
    if (!found) return "";
    if (found.ratio === 1 && !found.between) return found.verdict === "baseline" ? quiet("baseline") : "1";
    const untold = !["slower", "faster"].includes(found.verdict);
    const text = page.element("span", { class: untold ? "untold" : "" }, page.multiple(found.ratio), " ");
    text.append(page.element("span", { class: "between" }, page.interval(found.between)));
    return text;
  }

  const toFastest = (row) => (row.ratio ? { ratio: row.ratio, between: row.between, verdict: row.verdict } : null);

  function verdictCell(verdict) {
    const kind = { fastest: "good", "among the fastest": "good" }[verdict];
    if (kind) return page.element("span", { class: `badge ${kind}` }, verdict);
    return page.element("span", { class: ["slower", "faster"].includes(verdict) ? "" : "untold" }, verdict);
  }

  function parityCell(row) {
    if (!row.parity) return quiet("not checked");
    const [kind, text] = { true: ["good", "agrees"], false: ["bad", "wrong"], null: ["mild", "open"] }[
      row.parity.agrees
    ];
    return page.element("span", { class: `badge ${kind}` }, text);
  }

  function breakEvenCell(row) {
    const found = row.break_even;
    if (!found) return "";
    if (found.verdict === "at once") return "1";
    if (found.verdict !== "later") return quiet(found.verdict);
    const text = page.element("span", {}, page.count(Math.ceil(found.passes - 1e-6)), " ");
    text.append(
      page.element(
        "span",
        { class: "between" },
        `[${page.count(Math.ceil(found.low - 1e-6))}, ${page.count(Math.ceil(found.high - 1e-6))}]`,
      ),
    );
    return text;
  }

  function breakEvenNumber(row) {
    const found = row.break_even;
    if (!found) return LAST;
    return { "at once": 1, later: found.passes }[found.verdict] || LAST;
  }

  const firstCall = (row) => (row.first_call_s === 0 ? "~0" : page.seconds(row.first_call_s));
  const spread = (row) =>
    row.low_s === null || row.low_s === undefined ? "" : `${page.seconds(row.low_s)} – ${page.seconds(row.high_s)}`;

  function resultCell(row) {
    if (!row.result) return "";
    if (row.result.value === null) return "diverged";
    const text = page.element("span", {}, String(Number(row.result.value.toPrecision(4))), " ");
    text.append(page.element("span", { class: "between" }, row.result.metric));
    return text;
  }

  // id, title, what it is, value to sort by, cell; `more` are those that are shown on demand.
  page.COLUMNS = [
    ["row", "row", "backend, mode and device", (row) => row.label, null],
    ["pass", "pass", "typical time of a pass", (row) => row.pass_s, (row) => page.seconds(row.pass_s)],
    [
      "ratio",
      "× fastest",
      "time divided by the fastest row's, with its 95 % interval",
      (row) => row.ratio,
      (row) => ratioCell(toFastest(row)),
    ],
    ["verdict", "verdict", "what the test says", (row) => row.verdict, (row) => verdictCell(row.verdict || "")],
    [
      "base",
      "× baseline",
      "time divided by the baseline's, with its 95 % interval",
      (row) => (page.toBaseline(row) || {}).ratio,
      (row) => ratioCell(page.toBaseline(row)),
    ],
    [
      "tobase",
      "to baseline",
      "what the test says",
      (row) => (page.toBaseline(row) || {}).verdict,
      (row) => verdictCell((page.toBaseline(row) || { verdict: "" }).verdict),
    ],
    ["first", "first call", "extra time of the first pass, such as compilation", (row) => row.first_call_s, firstCall],
    [
      "training",
      "one training",
      "from the start of the process to the metric",
      (row) => row.one_training_s,
      (row) => page.seconds(row.one_training_s),
    ],
    [
      "pays",
      "pays from pass",
      "from so many passes on ahead of the plain mode of its framework",
      breakEvenNumber,
      breakEvenCell,
    ],
    [
      "share",
      "of limit",
      "model's FLOP/s divided by those of the fastest matrix product",
      (row) => row.flops_share,
      (row) => page.percent(row.flops_share),
      "more",
    ],
    ["memory", "memory", "peak of a process", (row) => row.memory_bytes, (row) => page.megabytes(row.memory_bytes)],
    ["result", "result", "metric on the test rows", (row) => row.result && row.result.value, resultCell],
    [
      "parity",
      "parity",
      "whether it computes what the task defines",
      (row) => row.parity && String(row.parity.agrees),
      parityCell,
    ],
    ["spread", "pass, 95 %", "interval of the pass", (row) => row.low_s, spread, "more"],
    ["cpu", "CPU", "CPU time of a pass", (row) => row.cpu_s, (row) => page.seconds(row.cpu_s), "more"],
    [
      "rate",
      "rows/s",
      "training rows per second",
      (row) => row.rows_per_s,
      (row) => page.count(row.rows_per_s),
      "more",
    ],
    [
      "flops",
      "GFLOP/s",
      "of the model's matrix products",
      (row) => row.flops_per_s,
      (row) => (row.flops_per_s ? String(Number((row.flops_per_s / 1e9).toPrecision(3))) : ""),
      "more",
    ],
    [
      "cores",
      "cores",
      "cores kept busy",
      (row) => row.cores_busy,
      (row) => (row.cores_busy ? row.cores_busy.toFixed(2) : ""),
      "more",
    ],
    [
      "gpu",
      "device memory",
      "peak on the GPU",
      (row) => row.device_memory_bytes,
      (row) => page.megabytes(row.device_memory_bytes),
      "more",
    ],
    [
      "rounds",
      "rounds",
      "processes that were timed",
      (row) => row.processes,
      (row) => String(row.processes || ""),
      "more",
    ],
  ].map(([id, title, about, value, cell, more]) => ({ id, title, about, value, cell, more: more === "more" }));
  page.TEXTS = new Set(["row", "verdict", "tobase", "parity"]); // columns of words; the others have numbers

  // Return what a column is sorted by; `undefined` where it is not known, which comes last.
  page.sortValue = function (column, row) {
    const found = column.value(row);
    return found === null ? LAST : found;
  };
})(window.page);
