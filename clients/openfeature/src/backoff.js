// Delays between attempts: doubled each time up to a limit, and shortened at
// random by up to a half, so that clients that failed together return apart.

const STEP_MS = 100; // what follows a delay of 0

export class Backoff {
  #first;

  #longest;

  #delay;

  /**
   * @param {number} first the first delay in milliseconds, may be 0
   * @param {number} longest the longest one
   */
  constructor(first, longest) {
    this.#first = first;
    this.#longest = longest;
    this.reset();
  }

  reset() {
    this.#delay = this.#first;
  }

  /** The delay before the next attempt, in milliseconds. */
  next() {
    const delay = this.#delay;
    this.#delay = Math.min(Math.max(delay * 2, STEP_MS), this.#longest);
    return delay * (0.5 + Math.random() / 2);
  }
}
