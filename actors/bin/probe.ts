// With the broker's code, what a runtime process loads, so that this one is as large as that.
import '../../config/hosts.js'
import { collectSeldom } from '../machine/index.js'
import { answerProbe, type ProbeRequest } from '../profiler/index.js'
import { measureTransport } from './measure-transport.js'

/** A process that measures, once. Whoever asked ends it; it blocks its event loop most of the time. */
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// A terminal's Ctrl-C is for the command that started this.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

collectSeldom()
process.once('message', (request: ProbeRequest) => {
  void answerProbe(request, measureTransport).then(reply => process.send?.(reply))
})
