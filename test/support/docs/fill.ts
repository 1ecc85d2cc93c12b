/** What is written between `<!-- begin NAME -->` and `<!-- end NAME -->`, by NAME. */
export type Sections = Readonly<Record<string, string>>

/**
 * `text` with each section between its markers.
 * @throws Error: a section has no place in the text, or a place has no section
 */
export function fill(text: string, sections: Sections): string {
  const missing = new Set(Object.keys(sections))
  const filled = text.replaceAll(/<!-- begin (.*?) -->[^]*?<!-- end \1 -->/g, (_, name: string) => {
    const section = sections[name]
    if (section === undefined) throw new Error(`nothing is generated for the place '${name}'`)
    missing.delete(name)
    return `<!-- begin ${name} -->\n\n${section}\n\n<!-- end ${name} -->`
  })
  if (missing.size > 0) throw new Error(`the text has no place for ${[...missing].join(', ')}`)
  return filled
}
