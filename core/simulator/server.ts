/**
 * A resource that does one thing at a time, in the order in which they come. What is to come is known when it comes: a
 * server is a point in time from which it is free, and needs no events of its own.
 */
export class Server {
  /** When it has done all that has come, in ms. */
  freeAt = 0
  busyMs = 0
  private began = 0

  /** When it can begin with what comes at `at`. */
  startAt(at: number): number {
    return Math.max(at, this.freeAt)
  }

  /** To be called for what comes first before what comes later. */
  occupy(start: number, end: number): void {
    this.began = start
    this.freeAt = end
    this.busyMs += end - start
  }

  /** What it does last is over at `at`, because what it does it for is lost. */
  giveUp(at: number): void {
    const end = Math.min(this.freeAt, Math.max(at, this.began))
    this.busyMs -= this.freeAt - end
    this.freeAt = end
  }
}
