// What a tab keeps over a reload. A browser may be told to keep nothing.

export function kept(key) {
  try { return sessionStorage.getItem(key); } catch { return null; }
}

export function keep(key, value) {
  try { sessionStorage.setItem(key, value); } catch { /* It begins anew. */ }
}

// What was kept of this before the page was loaded again, null at first; `now` gives what will be.
export function keptOver(key, now) {
  addEventListener("pagehide", () => keep(key, JSON.stringify(now())));
  return JSON.parse(kept(key));
}
