/** Every runtime, for suites that must hold on all of them. */
import { createInterpreterRuntime } from '../src/runtime/interpreter/interpreter-runtime.ts';
import { openOnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';
import type { Runtime } from '../src/runtime/runtime.ts';

export const runtimes: Readonly<Record<string, () => Runtime>> = {
  interpreter: () => createInterpreterRuntime(),
  onnx: () => openOnnxRuntime(),
  'onnx, its own kernels only': () => openOnnxRuntime({ kernels: false }),
};
