import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type NodeTimes, nodeTimes, readTrace } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Graph, taggedFile } from '../../core/graph/index.js'
import { type Tensors } from '../../core/tensor.js'
import { type OnnxSession, openSession } from '../session/index.js'

const PREFIX = 'nodes'

/** A whole model, as it is run while ONNX Runtime's profiler looks on. */
export class ProfiledModel {
  private constructor(
    private readonly graph: Graph,
    private readonly feeds: Tensors,
    private readonly folder: string,
    private readonly session: OnnxSession,
  ) {}

  /** @param folder  an empty one, for the profiler's file */
  static async open(graph: Graph, feeds: Tensors, folder: string): Promise<ProfiledModel> {
    const session = await openSession(taggedFile(graph), { profilePrefix: join(folder, PREFIX) })
    return new ProfiledModel(graph, feeds, folder, session)
  }

  run(): Promise<Tensors> {
    return this.session.run(this.feeds)
  }

  /**
   * Ends it.
   * @returns times of all runs but the first, in which ONNX Runtime still takes its memory
   */
  async close(): Promise<NodeTimes> {
    this.session.endProfiling()
    await this.session.release()
    // Its name ends in the date, and nothing tells it.
    const file = (await readdir(this.folder)).find(name => name.startsWith(PREFIX))
    if (file === undefined) throw new MillraceError('INTERNAL', "ONNX Runtime's profiler wrote no file")
    const runs = readTrace(await readFile(join(this.folder, file), 'utf8'))
    return nodeTimes(runs.slice(1), this.graph.nodes)
  }
}
