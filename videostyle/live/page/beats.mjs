// The beats of a tempo, { bpm, first_beat } with beat 0 in seconds, as they lie on the strip.

const LEAST_PIXELS = 6;  // between two that are drawn
const SNAP_PIXELS = 5;
const OF_BAR = 4;

// Of how many beats one is drawn: each, the first of each bar, or, for 0, none.
function stride({ bpm }, pixelsPerSecond) {
  const apart = 60 / bpm * pixelsPerSecond;
  return [1, OF_BAR].find((beats) => beats * apart >= LEAST_PIXELS) ?? 0;
}

// The ticks from `begin` to `end` in seconds: [{ at, isBar }].
export function ticks(tempo, begin, end, pixelsPerSecond) {
  const step = stride(tempo, pixelsPerSecond);
  if (!step) return [];
  const gap = step * 60 / tempo.bpm;
  const found = [];
  const first = Math.max(0, Math.ceil((begin - tempo.first_beat) / gap));
  for (let number = first; tempo.first_beat + number * gap <= end; number += 1) {
    found.push({ at: tempo.first_beat + number * gap, isBar: (number * step) % OF_BAR === 0 });
  }
  return found;
}

// The tick beside a time, or null.
export function tickNear(tempo, seconds, pixelsPerSecond) {
  const reach = SNAP_PIXELS / pixelsPerSecond;
  const near = ticks(tempo, seconds - reach, seconds + reach, pixelsPerSecond).map(({ at }) => at);
  return near.sort((one, other) => Math.abs(one - seconds) - Math.abs(other - seconds))[0] ?? null;
}
