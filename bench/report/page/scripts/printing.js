"use strict";
// On paper: light colours, as wide as a page, every chart drawn, and open what says something in words.
(function (page) {
  const CLOSED = /^(raw|code-.*)$/; // too long for paper unless the reader has opened it
  let opened = [];

  function before() {
    document.documentElement.classList.add("printing");
    document.documentElement.dataset.theme = "light";
    opened = [...document.querySelectorAll("details[data-open]:not([open])")].filter(
      (each) => !CLOSED.test(each.dataset.open),
    );
    for (const each of opened) each.open = true;
    page.readColours();
    page.drawAll();
  }

  function after() {
    document.documentElement.classList.remove("printing");
    for (const each of opened) each.open = false;
    page.showTheme();
    page.readColours();
    page.drawAll();
  }

  page.initPrinting = function () {
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
  };
})(window.page);
