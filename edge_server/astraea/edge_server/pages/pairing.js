// Finds the picture that a result belongs to.
//
// A browser doesn't say which RTP timestamp a filmed frame gets. But both count the time of capture: they differ by a
// constant. It is the least difference seen between a timestamp and the moment when its frame was encoded, as encoding
// takes no time at best. The picture is then the one filmed nearest to it, if it is within half a frame.

const CLOCK_KHZ = 90;
const WRAP = 2 ** 32;

export class Pairing {
  #kept;
  #pictures = [];
  #last = null;
  #offset = Infinity;

  /** @param {number} kept - how many pictures are remembered */
  constructor(kept) {
    this.#kept = kept;
  }

  /** A frame was filmed: when, in ms, and what it shows; anything with close(). */
  filmed(at, picture) {
    this.#pictures.push({ at, picture });
    if (this.#pictures.length > this.#kept) this.#pictures.shift().picture.close();
  }

  /** A frame was encoded: its RTP timestamp, and when, in ms. */
  encoded(rtpTimestamp, at) {
    this.#offset = Math.min(this.#offset, at - this.#unwrapped(rtpTimestamp));
  }

  /** The picture with this RTP timestamp; undefined if it isn't remembered. */
  pictureOf(rtpTimestamp) {
    const at = this.#unwrapped(rtpTimestamp) + this.#offset;
    let nearest;
    for (const one of this.#pictures) {
      if (!nearest || Math.abs(one.at - at) < Math.abs(nearest.at - at)) nearest = one;
    }
    return nearest && Math.abs(nearest.at - at) <= this.#halfFrame() ? nearest.picture : undefined;
  }

  #halfFrame() {
    const span = this.#pictures.at(-1).at - this.#pictures[0].at;
    return this.#pictures.length > 1 ? span / (this.#pictures.length - 1) / 2 : Infinity;
  }

  /** In ms, going on where the 32 bits begin again. */
  #unwrapped(rtpTimestamp) {
    if (this.#last === null) this.#last = rtpTimestamp;
    const ahead = (((rtpTimestamp - this.#last) % WRAP) + WRAP) % WRAP;
    const value = this.#last + (ahead < WRAP / 2 ? ahead : ahead - WRAP);
    this.#last = Math.max(this.#last, value);
    return value / CLOCK_KHZ;
  }
}
