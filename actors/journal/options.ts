import { z } from 'zod'
import { type MillraceError } from '../../core/errors.js'
import { defineOptions, type Options } from '../../core/options.js'
import { Journal } from './journal.js'

export const journalOptions = defineOptions({
  journal: {
    check: z.string().min(1),
    value: 'FOLDER',
    doc: 'Where admitted frames of lossless streams are kept until they have ended, so that they outlive a crash of this process; left out, they do not.',
  },
  journalLimitMib: {
    check: z.coerce.number().int().min(1).max(1_000_000_000),
    default: 1_024,
    value: 'MIB',
    doc: 'Most that the frames in the journal take, in MiB; the folder itself may take twice as much.',
  },
  journalSync: {
    check: z.boolean(),
    default: false,
    doc: 'Whether each write waits for the disk, so that admitted frames outlive a power cut too.',
  },
})

export type JournalOptions = Options<typeof journalOptions>

const MIB = 2 ** 20

/** Undefined where no folder is given. @throws JOURNAL_IN_USE, JOURNAL_CORRUPT, JOURNAL_FAILED */
export async function openJournal(
  { journal, journalLimitMib, journalSync }: JournalOptions,
  onTrouble: (error: MillraceError) => void,
): Promise<Journal | undefined> {
  if (journal === undefined) return undefined
  return Journal.open(journal, { maxBytes: journalLimitMib * MIB, sync: journalSync, onTrouble })
}
