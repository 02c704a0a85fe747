// What a tab keeps over a reload. A browser may be told to keep nothing.

export function kept(key) {
  try { return sessionStorage.getItem(key); } catch { return null; }
}

export function keep(key, value) {
  try { sessionStorage.setItem(key, value); } catch { /* It begins anew. */ }
}
