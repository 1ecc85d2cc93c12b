import test from 'ava'
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  costsFileName,
  profileFolder,
  readCosts,
  thinCosts,
  writeCosts,
} from '../../../actors/profiler/index.js'
import { SAMPLE } from '../../core/costs/samples.js'
import { rejection, testFolder } from '../../support/actors.js'

const KEY = { sha256: SAMPLE.model.sha256, machine: SAMPLE.machine }

test('cost file - gives back what was written, and leaves no draft', async t => {
  const folder = join(await testFolder(t), 'not', 'there', 'yet')
  const path = join(folder, costsFileName(KEY))
  t.is(await readCosts(path, KEY), undefined)
  await writeCosts(path, SAMPLE)
  t.deepEqual(await readCosts(path, KEY), SAMPLE)
  t.deepEqual(readdirSync(folder), [costsFileName(KEY)])
})

test('cost file - of another model, machine or version is not used, and one that is no cost file not touched', async t => {
  const path = join(await testFolder(t), 'costs.json')
  await writeCosts(path, SAMPLE)
  t.is(await rejection(readCosts(path, { ...KEY, sha256: 'b'.repeat(64) })), 'COSTS_INVALID')
  const machine = { ...SAMPLE.machine, onnxruntime: '0.1.0' }
  t.is(await rejection(readCosts(path, { ...KEY, machine })), 'COSTS_INVALID')
  writeFileSync(path, JSON.stringify({ ...SAMPLE, version: 0 }))
  t.is(await rejection(readCosts(path, KEY)), 'COSTS_INVALID')
  writeFileSync(path, 'something else')
  t.is(await rejection(readCosts(path, KEY)), 'COSTS_UNWRITABLE')
})

test('cost file - of many in a folder the oldest go, and nothing that is no cost file', async t => {
  const folder = await testFolder(t)
  const names = ['a', 'b', 'c'].map(letter => costsFileName({ ...KEY, sha256: letter.repeat(64) }))
  for (const [i, name] of names.entries()) {
    writeFileSync(join(folder, name), '{}')
    utimesSync(join(folder, name), 1_000 - i, 1_000 - i)
  }
  writeFileSync(join(folder, 'notes.txt'), '')
  await thinCosts(folder, 2)
  t.deepEqual(readdirSync(folder).sort(), [names[0], names[1], 'notes.txt'].sort())
})

test('cost file - where it cannot be written, that is said and nothing is left', async t => {
  const folder = await testFolder(t)
  const path = join(folder, 'a-folder')
  mkdirSync(path)
  t.is(await rejection(writeCosts(path, SAMPLE)), 'COSTS_UNWRITABLE')
  t.deepEqual(readdirSync(folder), ['a-folder'])
})

test('cost file - has a name for each model and machine, in the folder that the user has for caches', t => {
  const others = [
    { ...KEY, sha256: 'b'.repeat(64) },
    { ...KEY, machine: { ...SAMPLE.machine, cpu: 'another' } },
    { ...KEY, machine: { ...SAMPLE.machine, node: 'v22.0.0' } },
  ]
  t.is(new Set([KEY, ...others].map(costsFileName)).size, 4)
  t.is(profileFolder(undefined, { XDG_CACHE_HOME: '/caches' }), '/caches/millrace/profiles')
  t.regex(profileFolder(undefined, { XDG_CACHE_HOME: 'relative' }), /\/\.cache\/millrace\/profiles$/)
  t.is(profileFolder('/mine', { XDG_CACHE_HOME: '/caches' }), '/mine')
})
