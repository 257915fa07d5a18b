// Sounds that the desk makes itself: the bell, and the test tone. Made by Web Audio, so that there is no file to load.

/** @type {AudioContext | null} */
let shared = null;

/** @param {string} speaker id of the device, or "" */
async function context(speaker) {
  shared ??= new AudioContext();
  if (shared.state === "suspended") await Promise.race([shared.resume(), new Promise((go) => setTimeout(go, 300))]);
  const own = /** @type {any} */ (shared);
  // Where a browser cannot choose the loudspeaker, the system's is right.
  if (own.setSinkId && (own.sinkId ?? "") !== speaker) await own.setSinkId(speaker).catch(() => undefined);
  return shared;
}

/**
 * @param {AudioContext} on @param {number[]} hz @param {number} at @param {number} seconds @param {number} loud
 */
function tone(on, hz, at, seconds, loud) {
  const gain = on.createGain();
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(loud, at + 0.02);
  gain.gain.setValueAtTime(loud, at + seconds - 0.05);
  gain.gain.linearRampToValueAtTime(0, at + seconds);
  gain.connect(on.destination);
  for (const each of hz) {
    const wave = on.createOscillator();
    wave.frequency.value = each;
    wave.connect(gain);
    wave.start(at);
    wave.stop(at + seconds);
  }
}

/** A second and a half of tones, up and down. @param {string} speaker */
export async function testTone(speaker) {
  const on = await context(speaker);
  [440, 660, 440].forEach((hz, at) => tone(on, [hz], on.currentTime + at * 0.5, 0.45, 0.15));
  await new Promise((go) => setTimeout(go, 1500));
}

/** Rings as long as it is told to. */
export class Bell {
  constructor() {
    /** @type {ReturnType<typeof setInterval> | null} */ this._timer = null;
  }

  /** @param {boolean} wanted @param {string} speaker */
  ring(wanted, speaker) {
    if (!wanted && this._timer !== null) {
      clearInterval(this._timer);
      this._timer = null;
    } else if (wanted && this._timer === null) {
      const once = () => context(speaker).then((on) => {
        if (on.state !== "running" || this._timer === null) return;
        tone(on, [587, 740], on.currentTime, 0.35, 0.06);
        tone(on, [587, 740], on.currentTime + 0.5, 0.35, 0.06);
      }, () => undefined);
      this._timer = setInterval(once, 2500);
      once();
    }
  }
}
