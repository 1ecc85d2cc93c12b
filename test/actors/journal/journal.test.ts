import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type Journal } from '../../../actors/journal/index.js'
import { type NewFrame } from '../../../core/journal.js'
import { testFolder } from '../../support/actors.js'
import { inCheckout } from '../../support/index.js'
import { crashed, testJournal } from '../../support/journals.js'

function frame(sequence: number, bytes = 100): NewFrame {
  const content = Uint8Array.from({ length: bytes }, (_, i) => i + sequence)
  return { sequence, admittedAt: 1, note: `n${sequence}`, content }
}

/** A journal with frames 0 to `count` - 1 of `p/cam`, in a folder that a crash left. */
async function filled(t: Parameters<typeof testFolder>[0], count: number): Promise<string> {
  const path = await testFolder(t)
  const { journal } = await testJournal(t, path)
  const stream = journal.lease('p').stream('cam')
  for (let i = 0; i < count; i++) await stream.admit(frame(i))
  const copy = await crashed(t, path)
  await journal.close()
  return copy
}

async function kept(journal: Journal): Promise<number[]> {
  const frames = journal.lease('p').stream('cam').kept
  for (const one of frames) await one.read()
  return frames.map(({ sequence }) => sequence)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

test('the journal - is of one process at a time: another is told which one has it', async t => {
  const path = await testFolder(t)
  const door = inCheckout('dist/actors/journal/index.js')
  const settings = '{ maxBytes: 1, sync: false, onTrouble: () => {} }'
  const program = `import { Journal } from '${door}'
    await Journal.open('${path}', ${settings})
    console.log('open'); setInterval(() => {}, 1000)`
  const other = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => void other.kill('SIGKILL'))
  await once(other.stdout, 'data')
  const error = await t.throwsAsync(testJournal(t, path), { code: 'JOURNAL_IN_USE' })
  t.true(error?.message.includes(`process ${other.pid}`), error?.message)
  t.true(error?.message.includes(path))
  const ended = once(other, 'exit')
  other.kill('SIGKILL')
  await ended
  await t.notThrowsAsync(testJournal(t, path))
  await t.throwsAsync(testJournal(t, path), { code: 'JOURNAL_IN_USE', message: /this process/ })
})

test('the journal - lends its part of a pipeline to one dispatcher at a time', async t => {
  const { journal } = await testJournal(t, await testFolder(t))
  const first = journal.lease('p')
  t.throws(() => journal.lease('p'), { code: 'JOURNAL_IN_USE' })
  t.not(journal.lease('q').id, first.id)
  first.release()
  t.is(journal.lease('p').id, first.id)
})

test('the journal - says when it is full, of what, and takes frames again when some have ended', async t => {
  const { journal, troubles } = await testJournal(t, await testFolder(t), { maxBytes: 1_000 })
  const book = journal.lease('p')
  const stream = book.stream('cam')
  t.true(book.hasRoom)
  for (let i = 0; i < 3; i++) await stream.admit(frame(i))
  t.false(book.hasRoom)
  t.false(book.hasRoom)
  t.deepEqual(
    troubles.map(({ code }) => code),
    ['JOURNAL_FULL'],
  )
  t.regex(troubles[0]?.message ?? '', /p\/cam/)
  stream.end(1)
  t.true(book.hasRoom)
})

test('the journal - the end of a file that was torn off loses what was written last, and nothing before', async t => {
  const path = await filled(t, 20)
  const log = (await readdir(path)).find(name => name.endsWith('.log')) ?? ''
  const { size } = await stat(join(path, log))
  const file = await open(join(path, log), 'r+')
  await file.truncate(size - 50)
  await file.close()
  const { journal } = await testJournal(t, path)
  t.deepEqual(await kept(journal), upTo(19))
})

test('the journal - a changed byte is found, or takes only what was written last', async t => {
  const path = await filled(t, 400)
  const files = (await readdir(path)).filter(name => /\.(log|ldb)$|^MANIFEST/.test(name))
  for (const name of files) {
    const bytes = await readFile(join(path, name))
    for (const part of [0.1, 0.5, 0.9]) {
      const copy = await crashed(t, path)
      const damaged = Buffer.from(bytes)
      const at = Math.floor(bytes.length * part)
      damaged[at] = (damaged[at] ?? 0) ^ 0x5a
      await writeFile(join(copy, name), damaged)
      const { journal } = await testJournal(t, copy).catch((error: unknown) => {
        t.like(error, { code: 'JOURNAL_CORRUPT' }, `${name} at ${at}: ${String(error)}`)
        t.true(String(error).includes(copy))
        t.regex(String(error), /move the folder away/)
        return { journal: undefined }
      })
      if (journal === undefined) continue
      const frames = await kept(journal)
      t.deepEqual(frames, upTo(frames.length), `${name} at ${at}`)
      await journal.close()
    }
  }
})

test('the journal - files that are missing or of something else are an error, not a new beginning', async t => {
  const path = await filled(t, 3)
  await rm(join(path, 'CURRENT'))
  await t.throwsAsync(testJournal(t, path), { code: 'JOURNAL_CORRUPT', message: /move the folder away/ })
  const others = await testFolder(t)
  await writeFile(join(others, 'letter.txt'), 'dear')
  await t.throwsAsync(testJournal(t, others), { code: 'JOURNAL_FAILED', message: /empty folder/ })
  t.deepEqual(await readdir(others), ['letter.txt'])
  await t.throwsAsync(testJournal(t, join(others, 'letter.txt')), { code: 'JOURNAL_FAILED' })
})

test('the journal - on a full disk it says so, and has all that it had acknowledged', async t => {
  const disk = await testFolder(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk], { stdio: 'ignore' })
  } catch {
    t.log('not tested here: no disk can be mounted')
    return t.pass()
  }
  t.teardown(() => execFileSync('umount', ['-l', disk]))
  const path = join(disk, 'journal')
  await mkdir(path)
  const { journal } = await testJournal(t, path, { maxBytes: 2 ** 30 })
  const stream = journal.lease('p').stream('cam')
  const acknowledged: number[] = []
  const failure = await (async () => {
    for (let i = 0; ; i++) {
      await stream.admit(frame(i, 50_000))
      acknowledged.push(i)
    }
  })().catch((error: unknown) => error)
  t.like(failure, { code: 'JOURNAL_FAILED' })
  t.regex(String(failure), /No space left/)
  t.true(acknowledged.length > 10)
  await t.throwsAsync(stream.admit(frame(9_999)), { code: 'JOURNAL_FAILED' })
  await journal.close()
  execFileSync('mount', ['-o', 'remount,size=64m', disk])
  const { journal: again } = await testJournal(t, path, { maxBytes: 2 ** 30 })
  const found = await kept(again)
  t.deepEqual(found.slice(0, acknowledged.length), acknowledged)
  t.true(found.length <= acknowledged.length + 1)
})
