/** All that an agent tells its runtime process at the start, as JSON in one environment variable. */
export interface RuntimeSettings {
  readonly id: string
  readonly broker: string
  readonly progressMs: number
  /** Where its inbox broker listens; port 0: a free one. */
  readonly inbox: { readonly host: string; readonly port: number }
  readonly connect: Readonly<Record<string, unknown>>
}

export const RUNTIME_SETTINGS = 'MILLRACE_RUNTIME'
