import { type PartStore } from '../../model-store/index.js'
import { type CutModel, type CutOrder } from './messages.js'
import { cutModel } from './workshop.js'

const MOST = 16

/**
 * Models as they were cut lately. Where a network changes back and forth, plans return: to cut and check one again takes
 * seconds on a small machine.
 */
export class CutModels {
  private readonly known = new Map<string, CutModel>()

  /** @param make  left out: `cutModel` */
  constructor(private readonly make: typeof cutModel = cutModel) {}

  /**
   * As `cutModel`, where the store does not have all parts any more.
   * @throws what that throws
   */
  async cut(
    order: CutOrder,
    store: PartStore,
    take: (model: CutModel) => Promise<void>,
    signal: AbortSignal,
  ): Promise<CutModel> {
    const key = keyOf(order)
    const model = (await this.kept(key, store, take)) ?? (await this.make(order, take, signal))
    this.known.delete(key)
    this.known.set(key, model)
    for (const oldest of this.known.keys()) if (this.known.size > MOST) this.known.delete(oldest)
    return model
  }

  private async kept(
    key: string,
    store: PartStore,
    take: (model: CutModel) => Promise<void>,
  ): Promise<CutModel | undefined> {
    const model = this.known.get(key)
    if (model === undefined) return undefined
    // First, so that none goes while they are looked for.
    await take(model)
    const here = await Promise.all(model.parts.map(({ part }) => store.has(part)))
    return here.every(isHere => isHere) ? model : undefined
  }
}

/** What wires cost decides only where they are chosen by their error. */
function keyOf({ model, name, data, frames, cuts, wires, wireError }: CutOrder): string {
  const asked = wireError === undefined ? wires?.map(({ wire }) => wire) : wires
  return JSON.stringify([model, name, data, frames, cuts, asked, wireError])
}
