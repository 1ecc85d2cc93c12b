import { type Message } from '@bufbuild/protobuf'

/**
 * A shallow copy of a protobuf message with some fields replaced. It keeps fields that the schema does not know, and the
 * prototype that holds the defaults of those not set; a spread would lose both.
 */
export function changed<T extends Message>(message: T, fields: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message) as object) as T, message, fields)
}
