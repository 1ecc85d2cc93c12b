/** The records of a journal. Names have no `/`. */
export const keys = {
  /** Of the journal itself. */
  id: 'id',
  dispatcher: (pipeline: string) => `dispatcher/${pipeline}`,
  /** The least number for frames of streams that are not remembered any more. */
  floor: (pipeline: string) => `floor/${pipeline}`,
  /** The first sequence number that no frame of a stream has had. */
  next: (pipeline: string, stream: string) => `next/${pipeline}/${stream}`,
  frame: (pipeline: string, stream: string, sequence: number) => `frame/${pipeline}/${stream}/${sequence}`,
  seen: (pipeline: string, stream: string, id: string) => `seen/${pipeline}/${stream}/${id}`,
}
