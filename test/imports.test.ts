import test from 'ava'
import { importsOf, type Source, sourcesIn, violations } from './support/imports.js'
import { inCheckout } from './support/index.js'

const FOLDERS = ['core', 'broker', 'actors', 'config', 'examples', 'test']

/** What is said of one file that imports one thing, in a tree that has a few doors. */
function said(file: string, ...imports: string[]): string[] {
  const doors: Source[] = ['core/graph', 'actors/stage', 'actors/session', 'broker', 'config'].map(
    folder => ({
      file: `${folder}/index.ts`,
      imports: [],
    }),
  )
  return violations([...doors, { file, imports }])
}

test('imports - of the whole project go only where the table allows, and never in a circle', t => {
  const sources = sourcesIn(inCheckout(''), FOLDERS)
  for (const folder of FOLDERS) t.true(sources.some(({ file }) => file.startsWith(`${folder}/`)))
  const edges = sources.reduce((sum, { imports }) => sum + imports.length, 0)
  t.true(sources.length > 150 && edges > 500, `${sources.length} files, ${edges} imports`)
  t.deepEqual(violations(sources), [])
})

test('imports - every way to write one is seen', t => {
  const text = `
    import { a } from './value.js'
    import type { B } from './type.js'
    import { type C } from './inline-type.js'
    import './effect.js'
    export { d } from './export.js'
    export type { E } from './export-type.js'
    export * from './star.js'
    const f = await import('./dynamic.js')
    type G = import('./import-type.js').G
    // import './comment.js'
    const h = "import './text.js'"`
  const names = [
    'value',
    'type',
    'inline-type',
    'effect',
    'export',
    'export-type',
    'star',
    'dynamic',
    'import-type',
  ]
  t.deepEqual(importsOf(text).sort(), names.map(name => `./${name}.js`).sort())
})

test('imports - an arrow that the table does not have is named', t => {
  t.deepEqual(said('core/bus.ts', '../actors/stage/index.js'), [
    'core/bus.ts imports actors/stage/index.ts: core may not import actors',
  ])
  const forbidden = [
    ['core/bus.ts', '../broker/index.js', 'broker'],
    ['core/bus.ts', '../config/index.js', 'config'],
    ['broker/probe.ts', '../actors/stage/index.js', 'actors'],
    ['broker/probe.ts', '../config/index.js', 'config'],
    ['actors/stage/stage.ts', '../../broker/index.js', 'broker'],
    ['actors/stage/stage.ts', '../../config/index.js', 'config'],
    ['actors/stage/stage.ts', '../bin/millrace.js', 'actors/bin'],
    ['config/connect.ts', '../actors/bin/millrace.js', 'actors/bin'],
    ['config/connect.ts', '../test/support/index.js', 'test'],
    ['examples/models/net.ts', '../../core/graph/index.js', 'core'],
    ['examples/models/net.ts', '../../config/index.js', 'config'],
    ['actors/stage/stage.ts', '../../../elsewhere.js', '(none)'],
  ] as const
  for (const [file, specifier, other] of forbidden) {
    const [first = '', ...more] = said(file, specifier)
    t.true(first.startsWith(`${file} imports `) && first.endsWith(` may not import ${other}`), first)
    t.is(more.length, 0)
  }
  t.deepEqual(said('scripts/release.ts', 'rxjs'), ['scripts/release.ts is in no folder of the table'])
})

test('imports - an arrow that the table has is none', t => {
  t.deepEqual(said('broker/probe.ts', '../core/bus.js', 'mqtt', 'node:net'), [])
  t.deepEqual(
    said('actors/worker/agent.ts', '../stage/index.js', '../../core/bus.js', 'onnxruntime-node'),
    [],
  )
  t.deepEqual(
    said('actors/bin/millrace.ts', '../../config/hosts.js', '../../broker/index.js', 'commander'),
    [],
  )
  t.deepEqual(
    said('config/connect.ts', '../broker/index.js', '../actors/stage/index.js', '../core/bus.js'),
    [],
  )
  t.deepEqual(said('examples/models/net.ts', 'millrace/synthetic', './other.js', 'rxjs'), [])
  t.deepEqual(said('test/core/graph/cut.test.ts', '../../../core/graph/cut.js', 'fast-check', 'node:fs'), [])
})

test('imports - a package that the folder does not have is named', t => {
  t.deepEqual(said('core/bus.ts', 'mqtt'), ['core/bus.ts imports mqtt: not a package of core'])
  t.deepEqual(said('core/bus.ts', '@bufbuild/protobuf/wire', 'node:zlib', 'zod'), [])
  for (const [file, specifier] of [
    ['core/bus.ts', 'node:fs'],
    ['core/bus.ts', 'node:net'],
    ['broker/probe.ts', 'onnxruntime-node'],
    ['actors/stage/stage.ts', 'mqtt'],
    ['actors/stage/stage.ts', 'commander'],
    ['config/connect.ts', 'aedes'],
    ['examples/models/net.ts', '@scope/name'],
  ] as const) {
    t.regex(said(file, specifier).join(), new RegExp(`^${file} imports ${specifier}: not a package of `))
  }
})

test('imports - a way past a door is named, also between actors', t => {
  t.deepEqual(said('config/connect.ts', '../broker/probe.js'), [
    'config/connect.ts imports broker/probe.ts past the door broker/index.ts',
  ])
  t.is(said('actors/worker/agent.ts', '../../core/graph/cut.js').length, 1)
  t.is(said('actors/worker/agent.ts', '../stage/stage.js').length, 1)
  t.is(said('actors/bin/millrace.ts', '../stage/stage.js').length, 1)
  t.deepEqual(said('actors/stage/stage.ts', './read.js'), [])
  t.deepEqual(said('actors/worker/agent.ts', '../session/telemetry-off.js'), [])
})

test('imports - a circle is named with the files on it', t => {
  const circle: Source[] = [
    { file: 'core/a.ts', imports: ['./b.js'] },
    { file: 'core/b.ts', imports: ['./graph/c.js', 'rxjs'] },
    { file: 'core/graph/c.ts', imports: ['../b.js'] },
  ]
  t.deepEqual(violations(circle), ['cycle: core/b.ts -> core/graph/c.ts -> core/b.ts'])
  t.deepEqual(violations([{ file: 'core/a.ts', imports: ['./a.js'] }]), ['cycle: core/a.ts -> core/a.ts'])
  const diamond: Source[] = [
    { file: 'core/a.ts', imports: ['./b.js', './c.js'] },
    { file: 'core/b.ts', imports: ['./d.js'] },
    { file: 'core/c.ts', imports: ['./d.js'] },
    { file: 'core/d.ts', imports: [] },
  ]
  t.deepEqual(violations(diamond), [])
})
