// The WebSocket: typed messages both ways, pictures in, acknowledgements out; it reconnects by itself.

import { keep, kept } from "./keeping.mjs";

const token = new URLSearchParams(location.search).get("token") ?? "";
const handlers = new Map();
const KEPT = "page";
// Of this tab over every connection and reload; a tab that is made a copy of it has another.
const page = kept(KEPT) || crypto.getRandomValues(new Uint32Array(4)).join("-");
keep(KEPT, "");
addEventListener("pagehide", () => keep(KEPT, page));
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4000;
// Codes of a close after which another try would end the same way.
const FINAL = {
  1008: "The server does not know this page any more. Open the address that it printed in the terminal.",
  1013: "This page is open in too many tabs. Close one, and load this one again.",
};
// The server says something every two seconds. A connection on which nothing has come for so long is
// dead, though no end of it may ever come.
const PATIENCE_MS = 8000;
const LONGEST_PATIENCE_MS = 32000;
const CALM_MS = 600_000;  // after so long without a loss it is as quick to notice one as at first
const TICKS = 8;
let socket = null;
let wait = FIRST_WAIT_MS;
let silentTicks = 0;
let patience = PATIENCE_MS;
let lostAt = 0;
let ticking = 0;

export const withToken = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;

export function on(type, handler) {
  handlers.set(type, [...(handlers.get(type) ?? []), handler]);
}

// A handler that fails keeps nothing from the others.
export function emit(type, message) {
  for (const handler of handlers.get(type) ?? []) {
    try { handler(message); } catch (error) { reportError(error); }
  }
}

export const isOpen = () => socket?.readyState === WebSocket.OPEN;

export function send(message) {
  if (isOpen()) socket.send(JSON.stringify(message));
}

export function sendBytes(bytes) {
  if (isOpen()) socket.send(bytes);
}

export const isIdle = () => isOpen() && socket.bufferedAmount === 0;

// A server that cannot be reached answers too, so that whoever asks says why.
export const request = (path, options) => fetch(withToken(path), options)
  .catch(() => new Response("The server does not answer.", { status: 503 }));

// A server that has been stopped, or a network that is gone, lets a request wait for ever.
const QUESTION_MS = 3000;

export function connect() {
  silentTicks = 0;
  socket = new WebSocket(`ws://${location.host}${withToken(`/socket?page=${page}`)}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => emit("connected");
  socket.onmessage = ({ data }) => {
    wait = FIRST_WAIT_MS;
    silentTicks = 0;
    if (patience > PATIENCE_MS && performance.now() > lostAt + CALM_MS) bePatient();
    if (typeof data === "string") {
      const message = JSON.parse(data);
      emit(message.type, message);
    } else {
      emit("picture", unpack(data));
    }
  };
  socket.onclose = ({ code }) => lose(code);
}

async function lose(code) {
  socket = null;
  emit("disconnected", { reason: FINAL[code] });
  if (FINAL[code]) return;
  // A page does not hear why its handshake was refused; asked for itself, the server says it.
  if ((await request("/", { signal: AbortSignal.timeout(QUESTION_MS) })).status === 403) {
    emit("disconnected", { reason: FINAL[1008] });
    return;
  }
  setTimeout(connect, wait);
  wait = Math.min(2 * wait, LONGEST_WAIT_MS);
}

// For how long it takes a silent connection for one that lives. Counted in ticks: a page that a
// question holds up, or a machine that sleeps, hears nothing either.
export function bePatient(milliseconds = PATIENCE_MS) {
  patience = milliseconds;
  clearInterval(ticking);
  ticking = setInterval(() => {
    silentTicks += 1;
    if (!socket || silentTicks < TICKS) return;
    const dead = socket;
    dead.onopen = dead.onmessage = dead.onclose = null;
    dead.close();
    // It may only have been slow: with a picture on its way, a word takes as long as that.
    bePatient(Math.min(2 * milliseconds, LONGEST_PATIENCE_MS));
    lostAt = performance.now();
    lose();
  }, milliseconds / TICKS);
}
bePatient();

// For tests and curious users: a dropped connection comes back.
export const drop = () => socket?.close();

function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const begin = 4 + length;
  const jpeg = new Uint8Array(buffer, begin, header.bytes);
  const original = new Uint8Array(buffer, begin + header.bytes);
  return { ...header, jpeg, original };
}
