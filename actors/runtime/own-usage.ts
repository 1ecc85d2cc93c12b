import { type ProcessUsage } from './runtime.js'

/** What this process uses, with all its threads. */
export function ownUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage()
  return { rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1_000, at: Date.now() }
}
