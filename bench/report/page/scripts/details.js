"use strict";
// What a row says beyond its line in the table, in words.
(function (page) {
  page.CAUSES = {
    wrong: "failed parity",
    unfair: "times are unfair",
    failed: "failed",
    unsupported: "not supported",
    "not checked": "not checked",
    "not run": "not run",
  };
  page.alarming = (row) => ["wrong", "unfair", "failed"].includes(row.cause);

  page.groupWords = function (group) {
    const ranked = group.ranked.length;
    const rest = group.rows.length - ranked;
    const left = rest ? `, ${rest} not ranked` : "";
    const effect = `differences below ${(100 * group.effect).toFixed(0)} % count as equal`;
    return `${group.precision}, ${ranked} ${ranked === 1 ? "row" : "rows"}${left}; ${effect}`;
  };

  function parityWords(found) {
    if (!found) return "no result";
    const said = { true: "agrees with the reference", false: "does not agree", null: "could not be decided" }[
      found.agrees
    ];
    const sizes = [];
    for (const [name, kind] of [
      ["gradient", ""],
      ["losses", ""],
      ["parameters", ""],
      ["envelope", "×"],
      ["metric", "×"],
      ["repetition", "×"],
    ]) {
      if (found[name] === null) continue;
      sizes.push(
        kind
          ? `${name} ${Number(found[name].toPrecision(2))} times what rounding explains`
          : `${name} within ${found[name].toExponential(0)}`,
      );
    }
    const reason = found.reason ? `\n${found.tier ? found.tier + ": " : ""}${found.reason}` : "";
    return `${said}${sizes.length ? ": " + sizes.join(", ") : ""}${reason}`;
  }

  function facts(row) {
    const found = [];
    if (row.cause) found.push(["not ranked", row.why || row.cause]);
    if (row.cause && row.measured_s)
      found.push(["measured", `${page.seconds(row.measured_s)} a pass, which does not count`]);
    if (row.verdict)
      found.push([
        "compared with the fastest",
        `${page.multiple(row.ratio)} ${page.interval(row.between)}: ${row.verdict}`,
      ]);
    if (row.pass_s && row.low_s)
      found.push([
        "pass",
        `${page.seconds(row.pass_s)}, 95 % interval ${page.seconds(row.low_s)} to ${page.seconds(row.high_s)}`,
      ]);
    found.push(["processes", `${row.processes}, ${row.noisy} of them in noisy rounds`]);
    found.push(["parity", parityWords(row.parity)]);
    if (row.flags.length) found.push(["flags", row.flags.join("\n")]);
    if (row.break_even) found.push([`ahead of ${row.break_even.plain}`, breakEvenWords(row.break_even)]);
    return found;
  }

  function breakEvenWords(found) {
    if (found.verdict !== "later") return found.verdict;
    const [passes, low, high] = [found.passes, found.low, found.high].map((each) => page.count(Math.ceil(each - 1e-6)));
    return `from ${passes} passes on (95 % interval ${low} to ${high}), with set-up and a cold first call`;
  }

  page.detailLine = function (row, columns) {
    const list = page.element("dl", {});
    for (const [name, text] of facts(row)) list.append(page.element("dt", {}, name), page.element("dd", {}, text));
    return page.element("tr", { class: "detail" }, page.element("td", { colspan: columns }, list));
  };
})(window.page);
