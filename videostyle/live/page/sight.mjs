// The stretch of the strip that is in sight: zoom, scrolling, and where times lie on the screen.

import { emit } from "./connection.mjs";
import { $, duration, state } from "./state.mjs";

const LEAST_SECONDS = 1;  // in sight
const MOST_ZOOM = 10_000;
const WHEEL_ZOOM = 1.002;  // a pixel
const EDGE_PIXELS = 12;  // of what is in sight; a drag there scrolls
export let zoom = 1;  // how many times as long as what is in sight of it the strip is
let wasSeen = true;  // the playhead

const mostZoom = () => Math.min(MOST_ZOOM, Math.max(1, duration() / LEAST_SECONDS));

// The stretch of time in sight.
export function sight() {
  const begin = duration() * $("sight").scrollLeft / ($("lanes").clientWidth || 1);
  return { begin, end: begin + duration() / zoom };
}

function isSeen() {
  const { begin, end } = sight();
  return state.seconds >= begin && state.seconds <= end;
}

// Around what lies at a place of the screen, or around the playhead, if it is in sight; a time that
// is held comes to that place.
export function zoomTo(times, x = null, held = null) {
  const { left, width } = $("sight").getBoundingClientRect();
  const { begin, end } = sight();
  const at = held ?? (x !== null ? timeAt(x) : isSeen() ? state.seconds : (begin + end) / 2);
  const place = held === null ? (at - begin) / (end - begin) * width : x - left;
  zoom = Math.min(mostZoom(), Math.max(1, times));
  $("lanes").style.width = `${100 * zoom}%`;
  $("sight").scrollLeft = at / duration() * $("lanes").clientWidth - place;
  emit("sight");
}

export function showZoom() {
  $("zoom-out").disabled = zoom === 1;
  $("zoom-in").disabled = zoom >= mostZoom();
}

$("zoom-in").onclick = () => zoomTo(2 * zoom);
$("zoom-out").onclick = () => zoomTo(zoom / 2);
$("sight").addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();  // the page would be zoomed
  const lines = event.deltaMode ? 20 : 1;
  zoomTo(zoom * WHEEL_ZOOM ** (-event.deltaY * lines), event.clientX);
}, { passive: false });
$("sight").onscroll = () => {
  wasSeen = isSeen();
  emit("sight");
};

export function timeAt(x) {
  const seen = $("sight").getBoundingClientRect();
  const box = $("lanes").getBoundingClientRect();
  const place = Math.min(seen.right, Math.max(seen.left, x));
  return duration() * Math.min(1, Math.max(0, (place - box.left) / box.width));
}

// A hand that drags along the edge of what is in sight scrolls it, and drags on.
let edge = null;  // what to do with the last event of a drag: { event, drag }
export function dragTo(event, drag) {
  const isNew = edge === null;
  edge = { event, drag };
  drag(event);
  if (isNew) requestAnimationFrame(scrollOn);
}
function scrollOn() {
  if (edge === null) return;
  const { left, right, width } = $("sight").getBoundingClientRect();
  const { clientX } = edge.event;
  const way = clientX > right - EDGE_PIXELS ? 1 : clientX < left + EDGE_PIXELS ? -1 : 0;
  const before = $("sight").scrollLeft;
  $("sight").scrollLeft += way * width / 60;
  if ($("sight").scrollLeft !== before) edge.drag(edge.event);
  requestAnimationFrame(scrollOn);
}
export function endDrag() {
  edge = null;
}
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, endDrag, true);

// What is in sight turns like a page, if the playhead has left it by itself.
export function followPlayhead() {
  if (zoom === 1) return;
  if (isSeen()) wasSeen = true;
  else if (wasSeen && !edge) {
    const first = state.seconds - 0.1 * duration() / zoom;
    $("sight").scrollLeft = first / duration() * $("lanes").clientWidth;
  }
}
