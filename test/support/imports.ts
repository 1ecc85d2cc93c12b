import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'

export interface Source {
  /** Path from the root of the checkout, with `/`. */
  readonly file: string
  /** Module specifiers as they stand in the file: of imports of values and types, exports from, dynamic imports. */
  readonly imports: readonly string[]
}

interface Area {
  readonly name: string
  /** Areas whose files it may import, its own included; left out: all. */
  readonly areas?: readonly string[]
  /** Packages it may import; left out: all. */
  readonly packages?: readonly string[]
  /** Modules of Node.js it may import; left out: all. */
  readonly builtins?: readonly string[]
  /** Areas past whose doors it may look. */
  readonly behindDoors?: readonly string[]
}

/** The table of what may import what. The first area whose folder a file is in is the file's. */
const AREAS: Readonly<Record<string, Area>> = {
  'core/': {
    name: 'core',
    areas: ['core'],
    packages: ['@bufbuild/protobuf', 'lz4-napi', 'msgpackr', 'rxjs', 'zod'],
    // No network, no process, no file system.
    builtins: ['node:zlib'],
    // `core/synthetic` writes with the same schema as `core/graph` reads.
    behindDoors: ['core'],
  },
  'broker/': {
    name: 'broker',
    areas: ['broker', 'core'],
    packages: ['aedes', 'aedes-persistence', 'mqtt', 'mqtt-packet', 'rxjs', 'zod'],
  },
  'actors/bin/': {
    name: 'actors/bin',
    areas: ['actors/bin', 'actors/journal', 'actors/machine', 'actors', 'broker', 'config', 'core'],
    packages: ['cli-progress', 'commander', 'rxjs', 'zod'],
    behindDoors: ['config'],
  },
  'actors/journal/': {
    name: 'actors/journal',
    // Dispatchers know what a journal does (`core/journal.ts`), and nothing of how.
    areas: ['actors/journal', 'actors/machine', 'core'],
    packages: ['classic-level', 'zod'],
  },
  // What the machine has, and its folders.
  'actors/machine/': { name: 'actors/machine', areas: ['actors/machine', 'core'], packages: [] },
  'actors/': {
    name: 'actors',
    areas: ['actors', 'actors/machine', 'core'],
    packages: ['onnxruntime-node', 'rxjs', 'sharp', 'zod'],
  },
  'config/': {
    name: 'config',
    areas: ['config', 'actors', 'actors/journal', 'broker', 'core'],
    packages: ['rxjs', 'yaml', 'zod'],
  },
  'examples/': { name: 'examples', areas: ['examples'], packages: ['millrace', 'mqtt', 'rxjs', 'sharp'] },
  'test/': {
    name: 'test',
    behindDoors: [
      'actors',
      'actors/bin',
      'actors/journal',
      'actors/machine',
      'broker',
      'config',
      'core',
      'examples',
      'test',
    ],
  },
}

/** Imported for what it does, before the door beside it loads ONNX Runtime. */
const SIDE_DOORS: readonly string[] = ['actors/session/telemetry-off.ts']

/** Every TypeScript file below the named folders of `root`. */
export function sourcesIn(root: string, folders: readonly string[]): Source[] {
  return folders
    .flatMap(folder =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(path => `${folder}/${path}`),
    )
    .map(path => path.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.ts'))
    .map(file => ({ file, imports: importsOf(readFileSync(join(root, file), 'utf8')) }))
}

export function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
}

/** What the table does not allow, one sentence each, which names the files. */
export function violations(sources: readonly Source[]): string[] {
  const doors = new Set(sources.map(({ file }) => file).filter(file => posix.basename(file) === 'index.ts'))
  const single = sources.flatMap(source =>
    source.imports.flatMap(specifier => judge(source.file, specifier, doors)),
  )
  return [...single, ...cycles(sources)]
}

function judge(file: string, specifier: string, doors: ReadonlySet<string>): string[] {
  const area = areaOf(file)
  if (area === undefined) return [`${file} is in no folder of the table`]
  if (!specifier.startsWith('.')) return judgePackage(file, specifier, area)
  const target = resolve(file, specifier)
  const other = areaOf(target)?.name ?? '(none)'
  if (area.areas?.includes(other) === false)
    return [`${file} imports ${target}: ${area.name} may not import ${other}`]
  const door = doorTo(target, file, doors)
  const open = door === undefined || door === target || SIDE_DOORS.includes(target)
  return open || area.behindDoors?.includes(other) === true
    ? []
    : [`${file} imports ${target} past the door ${door}`]
}

function judgePackage(file: string, specifier: string, { name, packages, builtins }: Area): string[] {
  const isBuiltin = specifier.startsWith('node:')
  const wanted = isBuiltin ? specifier : packageOf(specifier)
  const allowed = isBuiltin ? builtins : packages
  return allowed?.includes(wanted) === false ? [`${file} imports ${wanted}: not a package of ${name}`] : []
}

/** The outermost door between a file and `target`, if there is one. */
function doorTo(target: string, file: string, doors: ReadonlySet<string>): string | undefined {
  const levels = target.split('/').slice(0, -1)
  const folders = levels.map((_, i) => `${levels.slice(0, i + 1).join('/')}/`)
  const closed = folders.find(folder => !file.startsWith(folder) && doors.has(`${folder}index.ts`))
  return closed && `${closed}index.ts`
}

/** One sentence for each import that closes a circle, with the files on it. */
function cycles(sources: readonly Source[]): string[] {
  const targets = new Map(sources.map(source => [source.file, filesOf(source)]))
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file)
    if (start >= 0) found.push(`cycle: ${[...path.slice(start), file].join(' -> ')}`)
    if (start >= 0 || done.has(file)) return
    for (const target of targets.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  return found
}

function filesOf({ file, imports }: Source): string[] {
  return imports.filter(specifier => specifier.startsWith('.')).map(specifier => resolve(file, specifier))
}

function areaOf(file: string): Area | undefined {
  return Object.entries(AREAS).find(([folder]) => file.startsWith(folder))?.[1]
}

/** Source files import each other by the names that they have when they are compiled. */
function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}
