// The picture: draws the newest, acknowledges it, and measures speed and delay.

import { on, send } from "./connection.mjs";
import { keptOver } from "./keeping.mjs";
import { $, isMoving, notice, state } from "./state.mjs";

const canvas = $("picture");
const context = canvas.getContext("2d", { alpha: false });
const VIEWS = ["painted", "original", "side", "wipe"];
const past = keptOver("view", () => ({ view: view(), wipe }));
if (past) $("view").value = past.view;
let wipe = past?.wipe ?? 0.5;
let last = null;
const drawn = [];
const delays = [];
const sent = new Map();

export const measured = { fps: 0, delay: null, frames: 0 };

const view = () => $("view").value;

export function noteSent(serial) {
  sent.set(serial, performance.now());
  if (sent.size > 200) sent.delete(sent.keys().next().value);
}

const wantsOriginal = () => view() !== "painted";
const bitmap = (bytes) => bytes.length ? createImageBitmap(new Blob([bytes], { type: "image/jpeg" })) : null;

let queue = Promise.resolve();
on("picture", (picture) => {
  const source = state.sources;
  queue = queue.then(async () => {
    try {
      const [painted, original] = await Promise.all([bitmap(picture.jpeg), bitmap(picture.original)]);
      if (source !== state.sources || state.lacksCamera) return;
      last?.painted?.close();
      last?.original?.close();
      last = { painted, original, picture };
      draw();
      measure(picture);
    } catch {
      // A picture that cannot be drawn is left out; the next one comes.
    } finally {
      send({ type: "drawn" });
    }
  });
});

// Shows words, and no picture until the next one comes.
export function clear(text, isCamera = false) {
  last = null;
  $("empty").hidden = false;
  $("empty-text").textContent = text;
  $("camera-again").hidden = !isCamera;
  $("badge").hidden = true;
}

function draw() {
  if (!last) return;
  const { painted, original, picture } = last;
  const side = view() === "side" && original;
  const one = Math.round(painted.width * (state.source?.pixel_aspect ?? 1));
  const width = one * (side ? 2 : 1);
  if (canvas.width !== width || canvas.height !== painted.height) {
    canvas.width = width;
    canvas.height = painted.height;
  }
  const first = view() === "original" && original ? original : painted;
  if (side) {
    context.drawImage(original, 0, 0, one, painted.height);
    context.drawImage(painted, one, 0, one, painted.height);
  } else {
    context.drawImage(first, 0, 0, width, painted.height);
  }
  if (view() === "wipe" && original) {
    const edge = Math.round(wipe * width);
    const part = edge * original.width / width;
    if (edge > 0) context.drawImage(original, 0, 0, part, painted.height, 0, 0, edge, painted.height);
    context.fillStyle = "#fff";
    context.fillRect(edge - 1, 0, 2, painted.height);
  }
  $("empty").hidden = true;
  $("badge").hidden = isMoving() && !state.recording;
  $("badge").classList.toggle("recording", state.recording);
  $("badge").textContent = state.recording ? (state.follow ? "overdub" : "recording") : picture.as_rendered ? "as rendered" : "preview";
  canvas.dataset.seconds = picture.seconds;
  canvas.dataset.serial = picture.serial;
  canvas.dataset.rendered = picture.as_rendered;
}

function measure(picture) {
  const now = performance.now();
  drawn.push(now);
  const since = sent.get(picture.serial);
  if (since !== undefined) {
    sent.delete(picture.serial);
    if (isMoving()) delays.push(now - since);
    if (delays.length > 31) delays.shift();
  }
  const sorted = [...delays].sort((a, b) => a - b);
  measured.delay = sorted.length ? sorted[sorted.length >> 1] : null;
  measured.frames += 1;
}

setInterval(() => {
  const now = performance.now();
  while (drawn.length && drawn[0] < now - 2000) drawn.shift();
  measured.fps = drawn.length > 1 ? 1000 * (drawn.length - 1) / (now - drawn[0]) : 0;
  const of = state.source?.fps ? ` of ${Math.round(state.source.fps)}` : "";
  const rate = isMoving() ? `${measured.fps.toFixed(0)}${of} frames/s` : "";
  const delay = measured.delay === null ? "" : `delay ${measured.delay.toFixed(0)} ms`;
  $("meter").textContent = [rate, delay].filter(Boolean).join(" · ");
}, 500);

function tellView() {
  send({ type: "view", original: wantsOriginal() });
  const isWipe = view() === "wipe";
  if (isWipe) canvas.tabIndex = 0;
  else canvas.removeAttribute("tabindex");  // clicked, it would have a frame from the next key on
  canvas.role = isWipe ? "slider" : "img";
  canvas.ariaLabel = isWipe ? "Edge between original and painting" : "The painted picture";
  canvas.ariaValueNow = isWipe ? Math.round(100 * wipe) : null;
  draw();
}
$("view").onchange = tellView;
on("connected", tellView);

export function nextView() {
  $("view").value = VIEWS[(VIEWS.indexOf(view()) + 1) % VIEWS.length];
  tellView();
}

$("full-screen").hidden = !document.fullscreenEnabled;
$("full-screen").onclick = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else canvas.parentElement.requestFullscreen().catch(({ message }) => notice(message));
};

function setWipe(part) {
  wipe = Math.min(1, Math.max(0, part));
  canvas.ariaValueNow = Math.round(100 * wipe);
  draw();
}

function moveWipe(event) {
  if (view() !== "wipe" || (event.type === "pointermove" && !event.buttons)) return;
  const box = canvas.getBoundingClientRect();
  const shown = Math.min(box.width, box.height * canvas.width / canvas.height);
  setWipe((event.clientX - box.left - (box.width - shown) / 2) / shown);
}
canvas.onkeydown = (event) => {
  const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!sign || view() !== "wipe") return;
  event.preventDefault();
  setWipe(wipe + sign * (event.shiftKey ? 0.2 : 0.02));
};
canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); moveWipe(event); };
canvas.onpointermove = moveWipe;
