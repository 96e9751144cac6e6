"use strict";
// The view: what is sorted, filtered, chosen and open. It stands in the fragment of the address, so it can be sent.
(function (page) {
  const LISTS = ["task", "backend", "mode", "device", "machine", "run", "open", "shut"]; // several values
  const TEXTS = ["q", "sort", "base", "focus", "theme", "at", "columns", "goal"]; // one value

  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    const view = {};
    for (const name of LISTS) view[name] = found.getAll(name);
    for (const name of TEXTS) view[name] = found.get(name) || "";
    return view;
  }

  function written(view) {
    const found = new URLSearchParams();
    for (const name of LISTS) for (const value of view[name]) found.append(name, value);
    for (const name of TEXTS) if (view[name]) found.set(name, view[name]);
    return found.toString();
  }

  const listeners = [];
  page.view = read();

  // Call `listener` with the names of what has changed, at first with all of them.
  page.follow = (listener) => listeners.push(listener);

  page.change = function (changes) {
    const changed = Object.keys(changes).filter((name) => String(page.view[name]) !== String(changes[name]));
    if (!changed.length) return;
    Object.assign(page.view, changes);
    history.replaceState(null, "", "#" + written(page.view));
    tell(changed);
  };

  function tell(changed) {
    for (const listener of listeners) listener(new Set(changed));
  }

  // Show the view for the first time: everything counts as changed.
  page.startAll = () => tell([...LISTS, ...TEXTS]);

  // Another address was typed, or a link of another view was followed.
  window.addEventListener("hashchange", function () {
    const next = read();
    const changed = Object.keys(next).filter((name) => String(page.view[name]) !== String(next[name]));
    page.view = next;
    tell(changed);
  });
})(window.page);
