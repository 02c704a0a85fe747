// What a tab keeps over a reload, or the browser until it is told otherwise. It may be told to keep
// nothing.

const PREFIX = "videostyle-";  // other programs may have had the page's address before

export function kept(key, storage = "sessionStorage") {
  // Earlier versions kept it without the prefix.
  try { return window[storage].getItem(PREFIX + key) ?? window[storage].getItem(key); } catch { return null; }
}

export function keep(key, value, storage = "sessionStorage") {
  try { window[storage].setItem(PREFIX + key, value); } catch { /* It begins anew. */ }
}

// What `take` makes of a value that was kept, or null. One that is of no use is dropped: the page
// would not begin with it the next time either.
export function keptAs(key, take, storage = "sessionStorage") {
  try {
    const value = JSON.parse(kept(key, storage));
    return value === null ? null : take(value);
  } catch {
    keep(key, "null", storage);
    return null;
  }
}

// What was kept of this before the page was loaded again, null at first; `now` gives what will be.
// A tablet may end a page that is not in sight without another word.
export function keptOver(key, now, take = (value) => value) {
  const keepNow = () => keep(key, JSON.stringify(now()));
  addEventListener("pagehide", keepNow);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keepNow(); });
  return keptAs(key, take);
}
