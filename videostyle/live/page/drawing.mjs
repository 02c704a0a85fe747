// What is drawn on the strip: the mixture as a stacked area, the other tracks as lines, beats, and the
// ruler.

import { request } from "./connection.mjs";
import { $, SCALARS, clock, colorOf, duration, element, pixels, state } from "./state.mjs";
import { ticks } from "./beats.mjs";
import { TRACKS } from "./edits.mjs";
import { sight, zoom } from "./sight.mjs";

const MARK_REM = 6.4;
const MARK_TEXT_REM = 4.4;
const DETAIL_WAIT_MS = 100;
let detail = null;  // the curve of what is in sight, finer: { start, end, curve }
let asksDetail = 0;  // the timer that will
export let shownDuration = 0;

async function askDetail() {
  const asked = state.timeline;
  if (zoom === 1 || !asked) return;
  const { begin, end } = sight();
  const start = Math.max(0, begin - (end - begin));
  const stop = Math.min(duration(), end + (end - begin));
  const response = await request(`/curve?start=${start}&end=${stop}`);
  if (!response.ok || state.timeline !== asked) return;
  detail = { timeline: asked, start, end: stop, curve: await response.json() };
  drawCurves();
}

export const laneOf = (track) => document.querySelector(`.lane[data-track="${track}"]`);

export function drawCurves() {
  const { begin, end } = sight();
  const covers = detail && detail.timeline === state.timeline && detail.start <= begin + 1e-6 && detail.end >= Math.min(end, duration()) - 1e-6;
  const curve = covers ? detail.curve : state.timeline?.curve;
  if (zoom > 1 && !covers) {
    clearTimeout(asksDetail);
    asksDetail = setTimeout(askDetail, DETAIL_WAIT_MS);
  }
  for (const track of TRACKS) {
    const canvas = laneOf(track).querySelector("canvas");
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, width * devicePixelRatio);
    canvas.height = Math.max(1, height * devicePixelRatio);
    const placeOf = (time) => (time - begin) / (end - begin) * canvas.width;
    if (curve?.[track]) {
      const across = curve.times.map(placeOf);
      across.push(Math.max(across.pop(), canvas.width));  // its end holds to the end of the strip
      if (track === "mix") drawArea(canvas, curve.mix, across);
      else drawLine(canvas, curve[track], SCALARS[track], across);
    }
    if (state.tempo) drawBeats(canvas, ticks(state.tempo, begin, end, width / (end - begin)), placeOf);
  }
}

// The mixture as a stacked area: every painting as high as its weight.
function drawArea(canvas, mix, across) {
  const context = canvas.getContext("2d");
  let base = across.map(() => 0);
  for (const name of Object.keys(mix)) {
    const top = base.map((sum, point) => sum + mix[name][point]);
    context.beginPath();
    base.forEach((sum, point) => context.lineTo(across[point], canvas.height * (1 - sum)));
    for (let point = top.length - 1; point >= 0; point -= 1) context.lineTo(across[point], canvas.height * (1 - top[point]));
    context.fillStyle = colorOf(name);
    context.fill();
    base = top;
  }
}

function drawLine(canvas, values, { low, high }, across) {
  const context = canvas.getContext("2d");
  context.beginPath();
  values.forEach((value, point) => {
    const part = (value - low) / (high - low);
    context.lineTo(across[point], 2 + (canvas.height - 4) * (1 - part));
  });
  context.strokeStyle = "#a3a7b0";
  context.lineWidth = 1.5 * devicePixelRatio;
  context.stroke();
}

// A dark line with a light one beside it is seen on every painting's colour.
function drawBeats(canvas, beats, placeOf) {
  const context = canvas.getContext("2d");
  for (const { at, isBar } of beats) {
    const top = isBar ? 0 : canvas.height * 0.6;
    const across = Math.round(placeOf(at));
    context.globalAlpha = isBar ? 0.5 : 0.3;
    context.fillStyle = "#000";
    context.fillRect(across - devicePixelRatio, top, devicePixelRatio, canvas.height);
    context.fillStyle = "#fff";
    context.fillRect(across, top, devicePixelRatio, canvas.height);
  }
  context.globalAlpha = 1;
}

export function drawRuler() {
  const length = duration();
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
  const width = $("ruler").clientWidth;
  const { begin, end } = sight();
  const gap = steps.find((each) => (end - begin) / each <= $("sight").clientWidth / pixels(MARK_REM)) ?? 7200;
  const last = Math.min(end, length * (1 - pixels(MARK_TEXT_REM) / width));
  const decimals = gap < 1 ? 1 : 0;
  const marks = [];
  for (let number = Math.floor(begin / gap); number * gap < last; number += 1) {
    const at = number * gap;
    const mark = element("span", { textContent: decimals && length < 60 ? at.toFixed(1) : clock(at, decimals) });
    mark.style.left = `${100 * at / length}%`;
    marks.push(mark);
  }
  $("ruler").replaceChildren(...marks);
  $("ruler").setAttribute("aria-valuemax", length.toFixed(2));
  shownDuration = length;
}
