import { type Plan } from '../../core/control/index.js'
import { decodeJson, decodeMsgpack, decodeRaw, IMAGE_DEFAULTS } from '../../core/sensing/index.js'
import { type Tensors } from '../../core/tensor.js'
import { type SensorFormat } from '../../core/topics.js'
import { decodeImage } from './image.js'
import { type Slots } from './slots.js'

/** Reads a sensor's message as the pipeline's input. */
export type Decode = (format: SensorFormat, payload: Uint8Array, plan: Plan) => Tensors | Promise<Tensors>

/** @param slots  bounds the images that are decoded at once; the other formats are read in this thread */
export function decoderOf(limits: { readonly maxPixels: number }, slots: Slots): Decode {
  return (format, payload, { inputs, sensors }) => {
    switch (format) {
      case 'raw':
        return decodeRaw(payload, inputs)
      case 'json':
        return decodeJson(payload, inputs)
      case 'msgpack':
        return decodeMsgpack(payload, inputs)
      case 'image':
        return slots.run(() => decodeImage(payload, inputs, sensors?.image ?? IMAGE_DEFAULTS, limits))
    }
  }
}
