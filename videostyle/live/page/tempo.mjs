// A tempo, { bpm, first_beat } with beat 0 in seconds: found from taps, and changed.

const LEAST_TAPS = 4;

const mean = (numbers) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
const median = (numbers) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1];

// The tempo that has so many beats a minute, and one at a time. Its first beat is the first of the
// video.
export function tempoThrough(bpm, seconds) {
  const beat = 60 / bpm;
  const first = Number((((seconds % beat) + beat) % beat).toFixed(4));
  return { bpm, first_beat: first < beat ? first : 0 };
}

// Another tempo whose beats meet the old ones where the old one has a beat beside a time.
export function atBpm(bpm, tempo, seconds) {
  if (!tempo) return tempoThrough(bpm, 0);
  const beat = 60 / tempo.bpm;
  return tempoThrough(bpm, tempo.first_beat + beat * Math.round((seconds - tempo.first_beat) / beat));
}

// The tempo of four or more taps, at times in seconds that rise: the line through (beat, time) with
// least squares. A gap of about two beats is of a tap that was missed. Null for fewer taps.
export function fitTempo(times) {
  if (times.length < LEAST_TAPS) return null;
  const gaps = times.slice(1).map((time, place) => time - times[place]);
  const usual = median(gaps);
  const beats = [0];
  for (const gap of gaps) beats.push(beats.at(-1) + Math.max(1, Math.round(gap / usual)));
  const [middle, centre] = [mean(beats), mean(times)];
  const along = beats.reduce((sum, beat, place) => sum + (beat - middle) * (times[place] - centre), 0);
  const beat = along / beats.reduce((sum, each) => sum + (each - middle) ** 2, 0);
  const bpm = Number((60 / beat).toFixed(1));
  return tempoThrough(bpm, centre - middle * 60 / bpm);
}
