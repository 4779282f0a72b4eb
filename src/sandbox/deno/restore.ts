/**
 * Puts a WebAssembly instance back to what it was, byte for byte: its memory, every global that can change, and every
 * table. Globals and tables that the module keeps to itself are exported first, by changing its binary.
 */
import { webAssembly, type Global, type Instance, type Memory, type Table } from './web-assembly.ts';

const prefix = 'aha:';
const section = { import: 2, global: 6, table: 4, export: 7 } as const;
const kindOf = { table: 1, global: 3 } as const;

/** The module with all mutable globals and all tables exported. */
export function exportState(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const sections = readSections(module);
  const added: number[] = [];
  let count = 0;
  const add = (kind: number, index: number) => {
    const name = new TextEncoder().encode(`${prefix}${kind}:${index}`);
    added.push(name.length, ...name, kind, ...unsigned(index));
    count++;
  };
  const tables = sections.find(({ id }) => id === section.table);
  if (tables !== undefined) {
    const [number] = readUnsigned(module, tables.start);
    for (let index = 0; index < number; index++) add(kindOf.table, index);
  }
  const globals = sections.find(({ id }) => id === section.global);
  if (globals !== undefined) {
    const imported = importedGlobals(module, sections.find(({ id }) => id === section.import)?.start);
    for (const index of mutableGlobals(module, globals.start)) add(kindOf.global, imported + index);
  }
  const exported = sections.find(({ id }) => id === section.export);
  if (exported === undefined) throw new Error('The module exports nothing');
  const [number, first] = readUnsigned(module, exported.start);
  const body = [unsigned(number + count), module.subarray(first, exported.end), Uint8Array.from(added)];
  const length = body.reduce((sum, part) => sum + part.length, 0);
  return concatenate([
    module.subarray(0, exported.header),
    Uint8Array.of(section.export),
    Uint8Array.from(unsigned(length)),
    ...body.map((part) => Uint8Array.from(part)),
    module.subarray(exported.end),
  ]);
}

export interface Photograph {
  /** Puts everything back. Returns the bytes of memory. */
  restore(): number;
  /** Bytes of memory now; it never shrinks. */
  memoryBytes(): number;
}

/** `imported`: globals that the instance was given and may change. */
export function photograph(instance: Instance, imported: readonly Global[]): Photograph {
  const memory = instance.exports['memory'] as Memory;
  const bytes = new Uint8Array(memory.buffer).slice();
  const globals = imported.map((global): [Global, unknown] => [global, global.value]);
  const tables: [Table, unknown[]][] = [];
  for (const [name, value] of Object.entries(instance.exports)) {
    if (!name.startsWith(prefix)) continue;
    if (value instanceof webAssembly.Global) globals.push([value, value.value]);
    else if (value instanceof webAssembly.Table) {
      tables.push([value, Array.from({ length: value.length }, (_, index) => value.get(index))]);
    }
  }
  return {
    restore: () => {
      const now = new Uint8Array(memory.buffer);
      now.set(bytes);
      if (now.length > bytes.length) now.fill(0, bytes.length);
      for (const [global, value] of globals) global.value = value;
      for (const [table, values] of tables) {
        for (let index = 0; index < table.length; index++) {
          const value = values[index] ?? null;
          if (table.get(index) !== value) table.set(index, value);
        }
      }
      return now.length;
    },
    memoryBytes: () => memory.buffer.byteLength,
  };
}

interface Section {
  readonly id: number;
  /** Where its id is, where its contents begin, and where they end. */
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

function readSections(module: Uint8Array): Section[] {
  const sections: Section[] = [];
  // The magic number and the version.
  let at = 8;
  while (at < module.length) {
    const [length, start] = readUnsigned(module, at + 1);
    sections.push({ id: module[at]!, header: at, start, end: start + length });
    at = start + length;
  }
  return sections;
}

/** Imported globals come first in the numbering. */
function importedGlobals(module: Uint8Array, start: number | undefined): number {
  if (start === undefined) return 0;
  let [count, at] = readUnsigned(module, start);
  let globals = 0;
  for (; count > 0; count--) {
    for (const _name of ['module', 'field']) {
      const [length, first] = readUnsigned(module, at);
      at = first + length;
    }
    const kind = module[at++];
    if (kind === 3) globals++;
    // A function has a type, a global a type and its mutability; Pyodide imports nothing else.
    if (kind === 0) [, at] = readUnsigned(module, at);
    else if (kind === 3) at += 2;
    else throw new Error('The module imports more than functions and globals');
  }
  return globals;
}

/** Those of the module's own globals that can change, counted from the first that is not imported. */
function mutableGlobals(module: Uint8Array, start: number): number[] {
  const [count, first] = readUnsigned(module, start);
  let at = first;
  const found: number[] = [];
  for (let index = 0; index < count; index++) {
    const type = module[at]!;
    if (module[at + 1] === 1) found.push(index);
    // Numbers only: i32 and i64 constants in LEB128, floats in 4 and 8 bytes.
    const [, afterConstant] = readUnsigned(module, at + 3);
    at = type === 0x7d ? at + 7 : type === 0x7c ? at + 11 : afterConstant;
    if (module[at] !== 0x0b) throw new Error('A global of the module does not begin with a constant');
    at++;
  }
  return found;
}

/** LEB128. */
function readUnsigned(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
