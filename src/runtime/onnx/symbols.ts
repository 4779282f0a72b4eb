/**
 * The one symbol table of ONNX Runtime's C API. `OrtGetApiBase()->GetApi(version)` returns a table of function
 * pointers in the order of `onnxruntime_c_api.h`; `index` is the position there. The table is append-only, so an
 * index never changes once a version has shipped it.
 */

/** How an argument is passed. `size` is size_t; `address` is any pointer; `name` is a NUL-terminated UTF-8 string. */
export type Parameter = 'address' | 'size' | 'int' | 'name';

export interface Symbol {
  readonly index: number;
  /** `status`: an OrtStatus*, null on success; it must be checked and released. */
  readonly result: 'status' | 'void' | 'int' | 'name';
  readonly parameters: readonly Parameter[];
}

/**
 * The version of the table that is asked for: the first that holds every symbol below. Kernels are another matter:
 * `minimumVersion` is the library that the lowering was checked against.
 */
export const apiVersion = 23;
export const minimumVersion = { major: 1, minor: 30 } as const;

export const symbols = {
  GetErrorMessage: { index: 2, result: 'name', parameters: ['address'] },
  // session, run options, input names, inputs, count, output names, count, outputs
  Run: {
    index: 9,
    result: 'status',
    parameters: ['address', 'address', 'address', 'address', 'size', 'address', 'size', 'address'],
  },
  CreateSessionFromArray: {
    index: 8,
    result: 'status',
    parameters: ['address', 'address', 'size', 'address', 'address'],
  },
  CreateSessionOptions: { index: 10, result: 'status', parameters: ['address'] },
  EnableProfiling: { index: 14, result: 'status', parameters: ['address', 'address'] },
  DisableMemPattern: { index: 17, result: 'status', parameters: ['address'] },
  SetSessionGraphOptimizationLevel: { index: 23, result: 'status', parameters: ['address', 'int'] },
  // memory info, data, bytes, shape, rank, element type, out
  CreateTensorWithDataAsOrtValue: {
    index: 49,
    result: 'status',
    parameters: ['address', 'address', 'size', 'address', 'size', 'int', 'address'],
  },
  CreateCustomOpDomain: { index: 26, result: 'status', parameters: ['name', 'address'] },
  CustomOpDomain_Add: { index: 27, result: 'status', parameters: ['address', 'address'] },
  AddCustomOpDomain: { index: 28, result: 'status', parameters: ['address', 'address'] },
  GetTensorMutableData: { index: 51, result: 'status', parameters: ['address', 'address'] },
  GetTensorElementType: { index: 60, result: 'status', parameters: ['address', 'address'] },
  GetDimensionsCount: { index: 61, result: 'status', parameters: ['address', 'address'] },
  GetDimensions: { index: 62, result: 'status', parameters: ['address', 'address', 'size'] },
  GetTensorTypeAndShape: { index: 65, result: 'status', parameters: ['address', 'address'] },
  CreateCpuMemoryInfo: { index: 69, result: 'status', parameters: ['int', 'int', 'address'] },
  AllocatorAlloc: { index: 75, result: 'status', parameters: ['address', 'size', 'address'] },
  AllocatorFree: { index: 76, result: 'status', parameters: ['address', 'address'] },
  GetAllocatorWithDefaultOptions: { index: 78, result: 'status', parameters: ['address'] },
  KernelContext_GetInput: { index: 90, result: 'status', parameters: ['address', 'size', 'address'] },
  // context, output, shape, rank, out
  KernelContext_GetOutput: {
    index: 91,
    result: 'status',
    parameters: ['address', 'size', 'address', 'size', 'address'],
  },
  ReleaseEnv: { index: 92, result: 'void', parameters: ['address'] },
  ReleaseStatus: { index: 93, result: 'void', parameters: ['address'] },
  ReleaseMemoryInfo: { index: 94, result: 'void', parameters: ['address'] },
  ReleaseSession: { index: 95, result: 'void', parameters: ['address'] },
  ReleaseValue: { index: 96, result: 'void', parameters: ['address'] },
  ReleaseTensorTypeAndShapeInfo: { index: 99, result: 'void', parameters: ['address'] },
  ReleaseSessionOptions: { index: 100, result: 'void', parameters: ['address'] },
  SessionEndProfiling: { index: 110, result: 'status', parameters: ['address', 'address', 'address'] },
  CreateEnvWithGlobalThreadPools: {
    index: 119,
    result: 'status',
    parameters: ['int', 'name', 'address', 'address'],
  },
  DisablePerSessionThreads: { index: 120, result: 'status', parameters: ['address'] },
  CreateThreadingOptions: { index: 121, result: 'status', parameters: ['address'] },
  ReleaseThreadingOptions: { index: 122, result: 'void', parameters: ['address'] },
  AddSessionConfigEntry: { index: 130, result: 'status', parameters: ['address', 'name', 'name'] },
  CreateAndRegisterAllocator: { index: 144, result: 'status', parameters: ['address', 'address', 'address'] },
  SetGlobalIntraOpNumThreads: { index: 147, result: 'status', parameters: ['address', 'int'] },
  SetGlobalInterOpNumThreads: { index: 148, result: 'status', parameters: ['address', 'int'] },
  SetGlobalSpinControl: { index: 149, result: 'status', parameters: ['address', 'int'] },
  SetGlobalDenormalAsZero: { index: 155, result: 'status', parameters: ['address'] },
  ReleaseArenaCfg: { index: 157, result: 'void', parameters: ['address'] },
  CreateArenaCfgV2: { index: 164, result: 'status', parameters: ['address', 'address', 'size', 'address'] },
  UnregisterAllocator: { index: 177, result: 'status', parameters: ['address', 'address'] },
  // options, names, values, count
  AddExternalInitializers: {
    index: 210,
    result: 'status',
    parameters: ['address', 'address', 'address', 'size'],
  },
  // context, function, tasks, parts, argument
  KernelContext_ParallelFor: {
    index: 274,
    result: 'status',
    parameters: ['address', 'address', 'size', 'size', 'address'],
  },
  SetDeterministicCompute: { index: 273, result: 'status', parameters: ['address', 'int'] },
} as const satisfies Record<string, Symbol>;

/** The values of ONNXTensorElementDataType. */
export const elementTypes = { f32: 1, i32: 6, i64: 7, bool: 9 } as const;
