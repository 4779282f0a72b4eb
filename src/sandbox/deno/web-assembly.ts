/** As much of the JavaScript interface of WebAssembly as is used here; the types of Node.js do not have it. */

export interface Memory {
  readonly buffer: ArrayBuffer;
}
export interface Global {
  value: unknown;
}
export interface Table {
  readonly length: number;
  get(index: number): unknown;
  set(index: number, value: unknown): void;
}
export interface Instance {
  readonly exports: Readonly<Record<string, unknown>>;
}
export type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
export interface Instantiated {
  readonly instance: Instance;
}

interface Namespace {
  instantiate(bytes: Uint8Array, imports: Imports): Promise<Instantiated>;
  readonly Global: new () => Global;
  readonly Table: new () => Table;
}

export const webAssembly = (globalThis as unknown as { readonly WebAssembly: Namespace }).WebAssembly;
