// What an agent hears and sees at a desk, measured in its page: put there before the desk's own scripts.
//
// Each who speaks has a tone of its own; `ears` looks at every element that plays and says which tones are in it.
(() => {
  /** Decibels: what is fainter is not heard; nor what is so far below the strongest tone. */
  const FAINT = -50;
  const BELOW = 22;
  /** Looks, of 60 ms, that have to agree. */
  const LOOKS = 4;
  /** Looks for which a tone must be there to be somebody who speaks, and no click of a machine that came too late. */
  const SPEAKS = 14;
  const tones = window.tones;
  const playing = new Set();
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    playing.add(this);
    return play.call(this);
  };

  let context = null;
  const analysers = new Map();
  function analyserOf(track) {
    if (!analysers.has(track)) {
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      analysers.set(track, analyser);
    }
    return analysers.get(track);
  }

  /** Decibels of each tone; null while nothing can be measured. */
  function levels() {
    context ??= new AudioContext();
    if (context.state !== "running") {
      void context.resume();
      return null;
    }
    const found = Object.fromEntries(tones.map((hz) => [hz, -Infinity]));
    for (const element of playing) {
      if (element.paused || element.muted || !element.srcObject) continue;
      for (const track of element.srcObject.getAudioTracks()) {
        if (track.readyState !== "live") continue;
        const analyser = analyserOf(track);
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        for (const hz of tones) {
          const at = Math.round((hz * analyser.fftSize) / context.sampleRate);
          found[hz] = Math.max(found[hz], bins[at - 1], bins[at], bins[at + 1]);
        }
      }
    }
    return found;
  }

  function heard() {
    const found = levels();
    if (!found) return null;
    const strongest = Math.max(...Object.values(found));
    return tones.filter((hz) => found[hz] > FAINT && found[hz] > strongest - BELOW);
  }

  const told = () => Object.entries(levels() ?? {}).map(([hz, level]) => `${hz} Hz ${Math.round(level)} dB`).join(", ");
  const next = () => new Promise((go) => setTimeout(go, 60));

  window.ears = {
    /** Resolves to "" once exactly these tones are heard; to what is heard, where they are not in time. */
    async hear(wanted, seconds) {
      const end = Date.now() + seconds * 1000;
      for (let looks = 0; Date.now() < end; await next()) {
        const now = heard();
        looks = now !== null && now.join() === wanted.join() ? looks + 1 : 0;
        if (looks === LOOKS) return "";
      }
      return told() || "nothing can be measured";
    },
    /** Resolves to "" after so long a time in which no other tone was heard and these were, but for moments; else to what was. */
    async keep(wanted, seconds) {
      const end = Date.now() + seconds * 1000;
      let complete = Date.now();
      for (let foreign = 0; Date.now() < end; await next()) {
        const now = heard() ?? [];
        foreign = now.some((hz) => !wanted.includes(hz)) ? foreign + 1 : 0;
        if (wanted.every((hz) => now.includes(hz))) complete = Date.now();
        if (foreign === SPEAKS || Date.now() - complete > 5000) return told();
      }
      return "";
    },
  };

  /** Resolves to true once so many more frames were shown in the picture with that label. */
  window.frames_of = async (label, more, seconds) => {
    const end = Date.now() + seconds * 1000;
    const count = () => {
      const picture = [...document.querySelectorAll("video")].find((each) => each.getAttribute("aria-label").startsWith(label));
      return picture ? picture.getVideoPlaybackQuality().totalVideoFrames : 0;
    };
    for (let first = null; Date.now() < end; await next()) {
      first ??= count() || null;
      if (first !== null && count() >= first + more) return true;
    }
    return false;
  };
})();
