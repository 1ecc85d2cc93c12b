/**
 * Since 1.29, ONNX Runtime reports to its maker and leaves log files in the temporary folder, unless this variable is set
 * when the process loads it. Whoever wants the reports sets it to 0. Imported for this effect, by whatever starts a
 * thread that loads ONNX Runtime too: the environment that a worker thread sees is a copy, which native code does not
 * read.
 * Source: https://github.com/microsoft/onnxruntime/pull/27379
 */
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
