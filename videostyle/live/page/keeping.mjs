// What a tab keeps over a reload, or the browser until it is told otherwise. It may be told to keep
// nothing.

export function kept(key, storage = "sessionStorage") {
  try { return window[storage].getItem(key); } catch { return null; }
}

export function keep(key, value, storage = "sessionStorage") {
  try { window[storage].setItem(key, value); } catch { /* It begins anew. */ }
}

// What was kept of this before the page was loaded again, null at first; `now` gives what will be.
export function keptOver(key, now) {
  addEventListener("pagehide", () => keep(key, JSON.stringify(now())));
  return JSON.parse(kept(key));
}
