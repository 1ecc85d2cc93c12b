/**
 * Notices, by being asked regularly, when its own process was held up: somebody who heard nobody meanwhile knows nothing of
 * them.
 */
export class OwnPauses {
  /**
   * @param everyMs  how often it is asked
   * @param now  in ms of any clock that only goes forward
   */
  constructor(
    private readonly everyMs: number,
    private now: number,
  ) {}

  /** @returns how long the process was held up since it was asked last, in ms; 0 where that is within the usual */
  lastMs(now: number): number {
    const heldUp = now - this.now - this.everyMs
    this.now = now
    return heldUp > this.everyMs ? heldUp : 0
  }
}
