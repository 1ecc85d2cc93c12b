import { MillraceError } from './errors.js'

/**
 * Whether `topic` matches an MQTT filter: `+` stands for one level, a trailing `#` for any number, its parent included;
 * neither for a first level that begins with `$`. [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.2-1]
 */
export function matchesFilter(filter: string, topic: string): boolean {
  if (filter === topic) return true
  const wanted = filter.split('/')
  const levels = topic.split('/')
  if (topic.startsWith('$') && (wanted[0] === '#' || wanted[0] === '+')) return false
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return levels.length >= i
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false
  }
  return wanted.length === levels.length
}

const MOST_BYTES = 65_535
const MOST_LEVELS = 100

/**
 * Of a topic that is published to.
 * @throws TOPIC_INVALID: empty, too long, with a wildcard or a NUL in it, or the broker's own, which begin with `$`
 */
export function checkTopic(topic: string): void {
  if (topic === '' || topic.startsWith('$') || /[+#\0]/.test(topic) || tooLarge(topic)) {
    throw new MillraceError(
      'TOPIC_INVALID',
      `'${topic.slice(0, 100)}' cannot be published to: no wildcards, no '$' in front, 1 to 100 levels`,
    )
  }
}

/** @throws TOPIC_INVALID: empty, too long, or with a wildcard that is not a whole level, or `#` not at the end */
export function checkFilter(filter: string): void {
  const levels = filter.split('/')
  const wrong = levels.some((level, i) => {
    if (level === '#') return i !== levels.length - 1
    return level !== '+' && /[+#\0]/.test(level)
  })
  if (filter === '' || wrong || tooLarge(filter)) {
    throw new MillraceError('TOPIC_INVALID', `'${filter.slice(0, 100)}' is not a topic filter`)
  }
}

function tooLarge(text: string): boolean {
  return Buffer.byteLength(text) > MOST_BYTES || text.split('/').length > MOST_LEVELS
}
