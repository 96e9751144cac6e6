"use strict";
// Numbers with units, as bench/report/units.py writes them, and elements whose content is text and never markup.
window.page = {};
(function (page) {
  const UNITS = [
    ["s", 1],
    ["ms", 1e-3],
    ["µs", 1e-6],
  ];

  // Three digits, as Python's format .3g writes them.
  function digits(number) {
    const found = Number(number.toPrecision(3));
    return found !== 0 && (Math.abs(found) < 1e-4 || Math.abs(found) >= 1e3) ? exponential(found) : String(found);
  }

  function exponential(number) {
    const [mantissa, exponent] = number.toExponential(2).split("e");
    const sign = exponent[0] === "-" ? "-" : "+";
    return Number(mantissa) + "e" + sign + exponent.slice(1).padStart(2, "0");
  }

  page.seconds = function (time_s) {
    if (time_s === null || time_s === undefined) return "";
    const [unit, size] = UNITS.find(([unit, size]) => Math.abs(time_s) >= size || unit === "µs");
    return digits(time_s / size) + " " + unit;
  };

  page.multiple = (ratio) => (ratio < 100 ? ratio.toFixed(2) : Math.round(ratio).toLocaleString("en"));
  page.percent = (share) =>
    share === null || share === undefined
      ? ""
      : (share < 0.01 ? Number((100 * share).toPrecision(1)) : (100 * share).toFixed(1)) + " %";
  page.megabytes = (bytes) =>
    bytes === null || bytes === undefined ? "" : Math.round(bytes / 1e6).toLocaleString("en") + " MB";
  page.count = (number) => (number === null || number === undefined ? "" : Math.round(number).toLocaleString("en"));
  page.interval = (pair) => (pair ? `[${page.multiple(pair[0])}, ${page.multiple(pair[1])}]` : "");

  // Plotly reads some tags in texts; here they are only text.
  page.plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // Return an element with attributes and children; a child that is a text becomes a text.
  page.element = function (tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
})(window.page);
