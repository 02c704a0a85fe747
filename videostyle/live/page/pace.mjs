// How fast the sound is played so that it stays with the pictures. A player that jumps begins late
// again: corrected by jumps alone it would stutter, and read and decode anew several times a second.
// On a machine that is too slow pictures come slower than the clock, too.

const MOST_OFF_SECONDS = 0.4;
const MOST_AHEAD_SECONDS = 0.2;  // of the clock, from picture to picture: further, it was a jump
const NEWEST_SHARE = 0.1;  // of a picture in the mean
const REMEMBERED_SECONDS = 1;
const LEAST_PACE = 0.5;
const STEADY_PACE = 0.97;
const MOST_CATCHING_UP = 0.15;  // a part of the speed

// Gives a function that is told of each picture while the sound is to be heard: the time of the video
// it shows and that of the sound, null while that is silent, and of the clock, all in seconds. It
// answers with the rate to play at, a multiple of 0.01, or null if the sound has to jump to the
// picture.
export function follower() {
  let [shown, passed] = [REMEMBERED_SECONDS, REMEMBERED_SECONDS];  // of late
  let last = null;
  let drift = 0;

  return ({ seconds, heard, now }) => {
    const [step, since] = last ? [seconds - last.seconds, now - last.now] : [0, 0];
    const isJump = step < 0 || step > since + MOST_AHEAD_SECONDS;
    last = { seconds, now };
    if (heard === null) {  // it begins anew: a pause says nothing of the machine
      [shown, passed, drift] = [REMEMBERED_SECONDS, REMEMBERED_SECONDS, 0];
      return null;
    }
    if (!isJump && since < REMEMBERED_SECONDS) {  // longer, it was held up
      const kept = Math.exp(-since / REMEMBERED_SECONDS);
      [shown, passed] = [kept * shown + step, kept * passed + since];
    }
    const off = heard - seconds;
    if (isJump || Math.abs(off) > MOST_OFF_SECONDS) {
      drift = 0;
      return null;
    }
    drift += NEWEST_SHARE * (off - drift);
    const pace = shown / passed > STEADY_PACE ? 1 : Math.max(LEAST_PACE, shown / passed);
    const late = Math.min(MOST_CATCHING_UP, Math.max(-MOST_CATCHING_UP, drift));
    return Math.round(100 * pace * (1 - late)) / 100;
  };
}
