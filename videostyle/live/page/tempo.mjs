// A tempo, { bpm, first_beat } with beat 0 in seconds: found from taps, and changed.

const LEAST_GAPS = 3;

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

// The tempo of taps, at times in seconds that rise, of one or more rounds of a loop. As a round need
// not last whole beats, the lines through (beat, time), with least squares, have one slope but each
// round its own beginning; the first beat is that of the last of the rounds with the most taps. A gap
// of about two beats is of a tap that was missed. Null for fewer than three gaps.
export function fitTempo(rounds) {
  const gapsOf = (times) => times.slice(1).map((time, place) => time - times[place]);
  const gaps = rounds.flatMap(gapsOf);
  if (gaps.length < LEAST_GAPS) return null;
  const usual = median(gaps);
  let [along, across, most] = [0, 0, { times: [] }];
  for (const times of rounds) {
    const beats = [0];
    for (const gap of gapsOf(times)) beats.push(beats.at(-1) + Math.max(1, Math.round(gap / usual)));
    const [middle, centre] = [mean(beats), mean(times)];
    for (const [place, beat] of beats.entries()) {
      along += (beat - middle) * (times[place] - centre);
      across += (beat - middle) ** 2;
    }
    if (times.length >= most.times.length) most = { times, middle, centre };
  }
  const bpm = Number((60 * across / along).toFixed(1));
  return tempoThrough(bpm, most.centre - most.middle * 60 / bpm);
}
