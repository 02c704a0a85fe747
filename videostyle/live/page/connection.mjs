// The WebSocket: typed messages both ways, pictures in, acknowledgements out; it reconnects by itself.

const token = new URLSearchParams(location.search).get("token") ?? "";
const handlers = new Map();
const LONGEST_WAIT_MS = 4000;
let socket = null;
let wait = 250;

export const withToken = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;

export function on(type, handler) {
  handlers.set(type, [...(handlers.get(type) ?? []), handler]);
}

export function emit(type, message) {
  for (const handler of handlers.get(type) ?? []) handler(message);
}

export function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

export function sendBytes(bytes) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(bytes);
}

export const isIdle = () => socket?.readyState === WebSocket.OPEN && socket.bufferedAmount === 0;

export function connect() {
  socket = new WebSocket(`ws://${location.host}${withToken("/socket")}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { wait = 250; emit("connected"); };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      emit(message.type, message);
    } else {
      emit("picture", unpack(data));
    }
  };
  socket.onclose = () => {
    emit("disconnected");
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  };
}

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
