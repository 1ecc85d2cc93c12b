export { Journal, type JournalSettings } from './journal.js'
export { journalOptions, type JournalOptions, openJournal } from './options.js'
