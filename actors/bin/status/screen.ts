import { type Session } from '../cli/session.js'
import { type Screen } from './status-text.js'

const DEFAULT_COLUMNS = 80
const OTHER_SCREEN = '\u001b[?1049h\u001b[?25l'
const BACK = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const REST_OF_LINE = '\u001b[K'
const REST_OF_SCREEN = '\u001b[J'

export function screenOf(stream: NodeJS.WriteStream): Screen {
  const columns = stream.isTTY && stream.columns > 0 ? stream.columns : DEFAULT_COLUMNS
  // Says no where NO_COLOR is set, and for a terminal that has none.
  return { width: columns, colours: stream.isTTY && stream.hasColors() }
}

/** Takes the terminal's other screen until the session ends, in whatever way, and gives the first one back as it was. */
export function takeScreen(session: Session, stream: NodeJS.WriteStream): (text: string) => void {
  const back = () => void stream.write(BACK)
  process.once('exit', back)
  session.cleanup.defer('giving the screen back', async () => {
    process.off('exit', back)
    back()
  })
  stream.write(OTHER_SCREEN)
  return text => {
    const lines = text.split('\n').map(line => `${line}${REST_OF_LINE}`)
    stream.write(`${HOME}${within(lines, stream.rows).join('\n')}${REST_OF_SCREEN}`)
  }
}

function within(lines: readonly string[], rows: number): readonly string[] {
  if (!(rows > 1) || lines.length <= rows) return lines
  const left = lines.length - rows + 1
  return [...lines.slice(0, rows - 1), `... ${left} more lines${REST_OF_LINE}`]
}
