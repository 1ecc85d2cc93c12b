import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { makeFolder } from '../../../actors/machine/index.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-make-folder-'))
test.after.always(() => rmSync(folder, { recursive: true }))

test('a folder - is made with those above it, also by several at once', async t => {
  const path = join(folder, 'several', 'levels', 'down')
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(path, 0o700)))
  t.true(statSync(path).isDirectory())
  t.is(statSync(join(folder, 'several')).mode & 0o777, 0o700)
  await t.notThrowsAsync(makeFolder(path))
})

test('a folder - whose parent others make at the same time is made', async t => {
  for (let round = 0; round < 100; round++) {
    const parent = join(folder, `parent ${round}`)
    const paths = ['w1', 'w2', 'w3', 'w4'].map(name => join(parent, name))
    await Promise.all(paths.map(path => makeFolder(path)))
    t.true(paths.every(path => statSync(path).isDirectory()))
  }
})

test('a folder - may be behind a link', async t => {
  mkdirSync(join(folder, 'there'))
  symlinkSync(join(folder, 'there'), join(folder, 'link'))
  await makeFolder(join(folder, 'link'))
  await makeFolder(join(folder, 'link', 'in it'))
  t.true(statSync(join(folder, 'there', 'in it')).isDirectory())
})

test('a folder - that cannot be made says so at once', async t => {
  symlinkSync(join(folder, 'not mounted'), join(folder, 'disk'))
  writeFileSync(join(folder, 'file'), '')
  const told = (path: string) =>
    t.throwsAsync(makeFolder(path)).then(error => Reflect.get(error, 'code') as unknown)
  t.is(await told('/proc/millrace'), 'ENOENT')
  t.is(await told('/proc/millrace/journal'), 'ENOENT')
  t.is(await told(join(folder, 'disk')), 'EEXIST')
  t.is(await told(join(folder, 'disk', 'journal')), 'EEXIST')
  t.is(await told(join(folder, 'file')), 'EEXIST')
  t.is(await told(join(folder, 'file', 'below')), 'ENOTDIR')
})
