/** Letters that a terminal shows two columns wide: of East Asia, and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
/** Those that stand on the one before. */
const WITHOUT_WIDTH = /[\p{M}\u200b-\u200d\ufe0f]/u
/** What would move the cursor, change colours, or turn the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const letter of text) width += letterWidth(letter)
  return width
}

/** The text with what does not belong into a cell of a table replaced. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '?')
}

/** The beginning of a text, with an ellipsis where it does not take `width` columns or less. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  let left = width - 1
  for (const letter of text) {
    left -= letterWidth(letter)
    if (left < 0) break
    kept += letter
  }
  return width < 1 ? '' : `${kept}…`
}

export function padded(text: string, width: number, side: 'left' | 'right'): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)))
  return side === 'left' ? text + blanks : blanks + text
}

function letterWidth(letter: string): number {
  if (WITHOUT_WIDTH.test(letter)) return 0
  return WIDE.test(letter) ? 2 : 1
}
