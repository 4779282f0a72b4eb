/**
 * An assembler for x86-64: what our kernels are written in, since their users have no compiler. It knows the general
 * instructions and those of AVX, AVX2, FMA and AVX-512 that `*-kernel.ts` need, in Intel's names and order of operands
 * (destination first). Encodings are those of the Intel 64 manual, volume 2; the tests compare them with GNU as.
 */
import { AhaError } from '../../errors.ts';

/** A general register of 64 bits. */
export interface Register {
  readonly kind: 'register';
  readonly code: number;
}

/** A vector register: all 256 bits of it, or the lower 128, as the instruction says; or 512 of those that are wide. */
export interface Vector {
  readonly kind: 'vector';
  readonly code: number;
  readonly wide: boolean;
}

/** [base + index · scale + displacement], or a label in the code. */
export interface Memory {
  readonly kind: 'memory';
  readonly base?: Register;
  readonly index?: Register;
  readonly scale: 1 | 2 | 4 | 8;
  readonly displacement: number;
  readonly label?: Label;
}

/** A place in the code, which may lie ahead. */
export interface Label {
  readonly kind: 'label';
  position: number | undefined;
}

const register = (code: number): Register => ({ kind: 'register', code });
export const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi] = Array.from({ length: 8 }, (_, code) =>
  register(code),
) as [Register, Register, Register, Register, Register, Register, Register, Register];
export const [r8, r9, r10, r11, r12, r13, r14, r15] = Array.from({ length: 8 }, (_, code) =>
  register(8 + code),
) as [Register, Register, Register, Register, Register, Register, Register, Register];

/** Floats in a vector. */
export const lanes = 8;

/** ymm0 to ymm15. */
export const ymm: readonly Vector[] = Array.from({ length: 16 }, (_, code) => ({
  kind: 'vector',
  code,
  wide: false,
}));

/** zmm0 to zmm31, which the instructions can name that say so. */
export const zmm: readonly Vector[] = Array.from({ length: 32 }, (_, code) => ({
  kind: 'vector',
  code,
  wide: true,
}));

export function at(base: Register, displacement = 0, index?: Register, scale: 1 | 2 | 4 | 8 = 1): Memory {
  return { kind: 'memory', base, displacement, scale, ...(index === undefined ? {} : { index }) };
}

type Arithmetic = 'add' | 'sub' | 'cmp' | 'and';
type Condition = 'below' | 'aboveOrEqual' | 'equal' | 'notEqual' | 'belowOrEqual' | 'above';

const arithmetic: Readonly<Record<Arithmetic, { opcode: number; extension: number }>> = {
  add: { opcode: 0x03, extension: 0 },
  and: { opcode: 0x23, extension: 4 },
  sub: { opcode: 0x2b, extension: 5 },
  cmp: { opcode: 0x3b, extension: 7 },
};

const conditions: Readonly<Record<Condition, number>> = {
  below: 0x82,
  aboveOrEqual: 0x83,
  equal: 0x84,
  notEqual: 0x85,
  belowOrEqual: 0x86,
  above: 0x87,
};

/** Mandatory prefix (0 none, 1 66h, 2 F3h, 3 F2h), opcode map (1 0Fh, 2 0F38h, 3 0F3Ah) and opcode. */
type Encoding = readonly [prefix: number, map: number, opcode: number];

/** destination, first, second or memory */
const threeOperands = {
  addps: [0, 1, 0x58],
  mulps: [0, 1, 0x59],
  subps: [0, 1, 0x5c],
  minps: [0, 1, 0x5d],
  divps: [0, 1, 0x5e],
  maxps: [0, 1, 0x5f],
  xorps: [0, 1, 0x57],
  andps: [0, 1, 0x54],
  haddps: [3, 1, 0x7c],
  unpcklps: [0, 1, 0x14],
  unpckhps: [0, 1, 0x15],
  /** Of pairs of elements. */
  unpcklpd: [1, 1, 0x14],
  unpckhpd: [1, 1, 0x15],
  paddd: [1, 1, 0xfe],
  fmadd213ps: [1, 2, 0xa8],
  fmadd231ps: [1, 2, 0xb8],
  fnmadd231ps: [1, 2, 0xbc],
} as const satisfies Record<string, Encoding>;

/** The same of the lowest element, or of the lower half. */
const narrowOperands = {
  addss: [2, 1, 0x58],
  subss: [2, 1, 0x5c],
  mulss: [2, 1, 0x59],
  divss: [2, 1, 0x5e],
  maxss: [2, 1, 0x5f],
  addps: [0, 1, 0x58],
  maxps: [0, 1, 0x5f],
  addsd: [3, 1, 0x58],
  mulsd: [3, 1, 0x59],
  cvtss2sd: [2, 1, 0x5a],
  cvtsd2ss: [3, 1, 0x5a],
  /** The upper half of the second to the lower half. */
  movhlps: [0, 1, 0x12],
} as const satisfies Record<string, Encoding>;

/** destination, source or memory */
const twoOperands = {
  movups: [0, 1, 0x10],
  cvtps2dq: [1, 1, 0x5b],
  sqrtps: [0, 1, 0x51],
} as const satisfies Record<string, Encoding>;

const encodings = {
  store: [0, 1, 0x11],
  broadcast: [1, 2, 0x18],
  /** `xorps` of wide registers came later than they did. */
  xord: [1, 1, 0xef],
} as const satisfies Record<string, Encoding>;

/** What wide registers can be operands of, and the bytes that a displacement of one byte counts in. */
const wideUnits = new Map<Encoding, number>([
  [threeOperands.addps, 64],
  [threeOperands.fmadd231ps, 64],
  [twoOperands.movups, 64],
  [encodings.store, 64],
  [encodings.broadcast, 4],
  [encodings.xord, 64],
]);

export class Assembler {
  readonly #bytes: number[] = [];
  readonly #fixups: { readonly position: number; readonly label: Label }[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  label(): Label {
    return { kind: 'label', position: undefined };
  }

  /** The label stands for this place. */
  bind(label: Label): void {
    label.position = this.#bytes.length;
  }

  /** The code, with all labels resolved. */
  finish(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    const view = new DataView(code.buffer);
    for (const { position, label } of this.#fixups) {
      if (label.position === undefined) throw problem('A label was used and never bound', position);
      // Relative to the end of the instruction, which is the end of the field: no immediate follows.
      view.setInt32(position, label.position - (position + 4), true);
    }
    return code;
  }

  align(bytes: number): void {
    while (this.#bytes.length % bytes !== 0) this.#bytes.push(0);
  }

  data(...bytes: readonly number[]): void {
    this.#bytes.push(...bytes);
  }

  /** Numbers of four bytes as data, and where they are. */
  floats(...values: readonly number[]): Memory {
    return this.#words(new Uint8Array(Float32Array.from(values).buffer));
  }

  /** The same number in all elements of a vector, as data. */
  eight(value: number): Memory {
    return this.floats(...Array<number>(lanes).fill(value));
  }

  integers(...values: readonly number[]): Memory {
    return this.#words(new Uint8Array(Int32Array.from(values).buffer));
  }

  /** Where a label is, as an operand. */
  atLabel(label: Label): Memory {
    return { kind: 'memory', displacement: 0, scale: 1, label };
  }

  // General instructions.

  mov(to: Register | Memory, from: Register | Memory): void {
    if (to.kind === 'register') this.#general(0x8b, to.code, from);
    else this.#general(0x89, (from as Register).code, to);
  }

  /** Loads 32 bits and clears the upper ones. */
  mov32(to: Register, from: Memory): void {
    this.#general(0x8b, to.code, from, { wide: false });
  }

  /** A constant: an address, or a number. */
  movImmediate(to: Register, value: bigint): void {
    this.#rex(true, 0, 0, to.code);
    this.#bytes.push(0xb8 + (to.code & 7), ...littleEndian(value, 8));
  }

  lea(to: Register, from: Memory): void {
    this.#general(0x8d, to.code, from);
  }

  arithmetic(operation: Arithmetic, to: Register, by: Register | Memory | number): void {
    const { opcode, extension } = arithmetic[operation];
    if (typeof by !== 'number') return this.#general(opcode, to.code, by);
    this.#general(0x81, extension, to);
    this.#immediate(by, 4);
  }

  add(to: Register, by: Register | Memory | number): void {
    this.arithmetic('add', to, by);
  }

  sub(to: Register, by: Register | Memory | number): void {
    this.arithmetic('sub', to, by);
  }

  cmp(a: Register, b: Register | Memory | number): void {
    this.arithmetic('cmp', a, b);
  }

  and(to: Register, by: number): void {
    this.arithmetic('and', to, by);
  }

  /** to = from · factor, or to = to · from. */
  imul(to: Register, from: Register, factor?: number): void {
    if (factor === undefined) return this.#general(0xaf, to.code, from, { escape: true });
    this.#general(0x69, to.code, from);
    this.#immediate(factor, 4);
  }

  clear(to: Register): void {
    this.#general(0x33, to.code, to, { wide: false });
  }

  /** Without a sign. */
  shiftRight(of: Register, bits: number): void {
    this.#general(0xc1, 5, of);
    this.#immediate(bits, 1);
  }

  /** rax = rdx:rax / by, rdx = the rest. */
  div(by: Register): void {
    this.#general(0xf7, 6, by);
  }

  push(from: Register): void {
    if (from.code > 7) this.#bytes.push(0x41);
    this.#bytes.push(0x50 + (from.code & 7));
  }

  pop(to: Register): void {
    if (to.code > 7) this.#bytes.push(0x41);
    this.#bytes.push(0x58 + (to.code & 7));
  }

  call(target: Register): void {
    this.#general(0xff, 2, target, { wide: false });
  }

  jump(to: Label): void {
    this.#bytes.push(0xe9);
    this.#reference(to);
  }

  jumpIf(condition: Condition, to: Label): void {
    this.#bytes.push(0x0f, conditions[condition]);
    this.#reference(to);
  }

  ret(): void {
    this.#bytes.push(0xc3);
  }

  /** Copies rcx bytes from [rsi] to [rdi]. */
  repMovsb(): void {
    this.#bytes.push(0xf3, 0xa4);
  }

  /** Into all caches, or into all but the first. */
  prefetch(from: Memory, into: 'all' | 'second' = 'all'): void {
    this.#general(0x18, into === 'all' ? 1 : 2, from, { wide: false, escape: true });
  }

  // Vector instructions, of 256 bits unless they say otherwise. `addps`, `fmadd231ps`, `load`, `store`, `broadcast` from
  // memory and `zero` are of 512 bits for wide registers; the others do not take them.

  vector(name: keyof typeof threeOperands, to: Vector, a: Vector, b: Vector | Memory): void {
    this.#vex(threeOperands[name], { to, first: a, second: b });
  }

  /** Of 128 bits, or of a single element. */
  narrow(name: keyof typeof narrowOperands, to: Vector, a: Vector, b: Vector | Memory): void {
    this.#vex(narrowOperands[name], { to, first: a, second: b, wide: false });
  }

  unary(name: keyof typeof twoOperands, to: Vector, from: Vector | Memory): void {
    this.#vex(twoOperands[name], { to, second: from });
  }

  load(to: Vector, from: Memory): void {
    this.unary('movups', to, from);
  }

  store(to: Memory, from: Vector): void {
    this.#vex(encodings.store, { to: from, second: to });
  }

  /** The lower 128 bits. */
  storeHalf(to: Memory, from: Vector): void {
    this.#vex([0, 1, 0x11], { to: from, second: to, wide: false });
  }

  /** The lowest element; the others become 0. */
  loadOne(to: Vector, from: Memory): void {
    this.#vex([2, 1, 0x10], { to, second: from, wide: false });
  }

  storeOne(to: Memory, from: Vector): void {
    this.#vex([2, 1, 0x11], { to: from, second: to, wide: false });
  }

  /** The lowest element of a register, or the one in memory, to all. */
  broadcast(to: Vector, from: Vector | Memory): void {
    this.#vex(encodings.broadcast, { to, second: from });
  }

  /** The upper half of `from` to the lower half. */
  upperHalf(to: Vector, from: Vector): void {
    this.#vex([1, 3, 0x19], { to: from, second: to }, 1);
  }

  /** The lower halves of both, or the upper ones. */
  halves(which: 'lower' | 'upper', to: Vector, a: Vector, b: Vector): void {
    this.#vex([1, 3, 0x06], { to, first: a, second: b }, which === 'lower' ? 0x20 : 0x31);
  }

  /** To the nearest whole number, ties to even. */
  round(to: Vector, from: Vector): void {
    this.#vex([1, 3, 0x08], { to, second: from }, 0);
  }

  /** Elements of the lower half by two bits of `control` each. */
  permuteHalf(to: Vector, from: Vector, control: number): void {
    this.#vex([1, 3, 0x04], { to, second: from, wide: false }, control);
  }

  /** All bits of an element set where a ≤ b does not hold, or one of them is NaN. */
  notLessEqual(to: Vector, a: Vector, b: Vector): void {
    this.#vex([0, 1, 0xc2], { to, first: a, second: b }, 0x16);
  }

  /** Sets the flags by two numbers of 64 bits; `above` is false if one of them is NaN. */
  compareDoubles(a: Vector, b: Vector): void {
    this.#vex([1, 1, 0x2f], { to: a, second: b, wide: false });
  }

  /** Each element, as an integer, times 2^bits. */
  shiftLeft(to: Vector, from: Vector, bits: number): void {
    const six: Vector = { kind: 'vector', code: 6, wide: false };
    this.#vex([1, 1, 0x72], { to: six, first: to, second: from }, bits);
  }

  zero(to: Vector): void {
    if (to.wide) this.#vex(encodings.xord, { to, first: to, second: to });
    else this.vector('xorps', to, to, to);
  }

  /** Before code that knows no AVX. */
  zeroUpper(): void {
    this.#bytes.push(0xc5, 0xf8, 0x77);
  }

  #words(bytes: Uint8Array): Memory {
    const label = this.label();
    this.bind(label);
    this.#bytes.push(...bytes);
    return this.atLabel(label);
  }

  #general(
    opcode: number,
    reg: number,
    rm: Register | Memory,
    { wide = true, escape = false }: { wide?: boolean; escape?: boolean } = {},
  ): void {
    const { index, base } = fieldsOf(rm);
    this.#rex(wide, reg, index, base);
    if (escape) this.#bytes.push(0x0f);
    this.#bytes.push(opcode);
    this.#operand(reg, rm);
  }

  /** Left out where it says nothing. */
  #rex(wide: boolean, reg: number, index: number, base: number): void {
    const byte = 0x40 | (Number(wide) << 3) | ((reg >> 3) << 2) | ((index >> 3) << 1) | (base >> 3);
    if (byte !== 0x40) this.#bytes.push(byte);
  }

  #vex(
    encoding: Encoding,
    operands: { to: Vector; first?: Vector; second: Vector | Memory; wide?: boolean },
    immediate?: number,
  ): void {
    const { to, first, second, wide = true } = operands;
    if ([to, first, second].some((operand) => operand?.kind === 'vector' && operand.wide)) {
      return this.#evex(encoding, { to, second, ...(first === undefined ? {} : { first }) });
    }
    const [prefix, map, opcode] = encoding;
    const { index, base } = fieldsOf(second);
    const inverted = (code: number, bit: number) => Number(code < 8) << bit;
    this.#bytes.push(
      0xc4,
      inverted(to.code, 7) | inverted(index, 6) | inverted(base, 5) | map,
      ((~(first?.code ?? 0) & 15) << 3) | (Number(wide) << 2) | prefix,
      opcode,
    );
    this.#operand(to.code, second);
    if (immediate === undefined) return;
    if (second.kind === 'memory' && second.label !== undefined) {
      throw problem('An instruction with an immediate cannot refer to a label', opcode);
    }
    this.#bytes.push(immediate);
  }

  /** Of 512 bits: numbers of registers have five bits. */
  #evex(
    encoding: Encoding,
    { to, first, second }: { to: Vector; first?: Vector; second: Vector | Memory },
  ): void {
    const [prefix, map, opcode] = encoding;
    const unit = wideUnits.get(encoding);
    if (unit === undefined || [to, first, second].some((of) => of?.kind === 'vector' && !of.wide)) {
      throw problem('This instruction has no form for wide registers', opcode);
    }
    const { index, base } = fieldsOf(second);
    const inverted = (code: number, from: number, to: number) => (~(code >> from) & 1) << to;
    const before = first?.code ?? 0;
    this.#bytes.push(
      0x62,
      // A register in place of memory has its fifth bit where an index would have its fourth.
      inverted(to.code, 3, 7) |
        (second.kind === 'vector' ? inverted(second.code, 4, 6) : inverted(index, 3, 6)) |
        inverted(base, 3, 5) |
        inverted(to.code, 4, 4) |
        map,
      ((~before & 15) << 3) | 4 | prefix,
      0x40 | inverted(before, 4, 3),
      opcode,
    );
    this.#operand(to.code, second, unit);
  }

  /** ModR/M, SIB and displacement; one of a single byte counts in `unit` bytes. */
  #operand(reg: number, rm: Register | Vector | Memory, unit = 1): void {
    const field = (reg & 7) << 3;
    if (rm.kind !== 'memory') {
      this.#bytes.push(0xc0 | field | (rm.code & 7));
      return;
    }
    const { base, index, scale, displacement, label } = rm;
    if (label !== undefined) {
      this.#bytes.push(field | 5);
      this.#reference(label);
      return;
    }
    if (base === undefined) throw problem('An operand in memory needs a base', displacement);
    if (index?.code === rsp.code) throw problem('rsp cannot be an index', displacement);
    const low = base.code & 7;
    // rbp and r13 as a base always have a displacement.
    const units = displacement / unit;
    const short = Number.isInteger(units) && units >= -128 && units < 128;
    const size = displacement === 0 && low !== 5 ? 0 : short ? 1 : 4;
    const mode = { 0: 0x00, 1: 0x40, 4: 0x80 }[size];
    if (index === undefined && low !== 4) this.#bytes.push(mode | field | low);
    else {
      const scaled = Math.log2(scale) << 6;
      this.#bytes.push(mode | field | 4, scaled | (((index?.code ?? 4) & 7) << 3) | low);
    }
    if (size !== 0) this.#immediate(short ? units : displacement, size);
  }

  #immediate(value: number, bytes: 1 | 4): void {
    this.#bytes.push(...littleEndian(BigInt(value), bytes));
  }

  #reference(label: Label): void {
    this.#fixups.push({ position: this.#bytes.length, label });
    this.#bytes.push(0, 0, 0, 0);
  }
}

/** The codes that extend the ModR/M byte. */
function fieldsOf(rm: Register | Vector | Memory): { index: number; base: number } {
  if (rm.kind !== 'memory') return { index: 0, base: rm.code };
  return { index: rm.index?.code ?? 0, base: rm.base?.code ?? 0 };
}

function littleEndian(value: bigint, bytes: number): number[] {
  const bits = BigInt.asUintN(8 * bytes, value);
  if (BigInt.asIntN(8 * bytes, value) !== value && bits !== value) {
    throw problem(`A constant does not fit into ${bytes} bytes`, value);
  }
  return Array.from({ length: bytes }, (_, at) => Number((bits >> BigInt(8 * at)) & 255n));
}

function problem(what: string, found: unknown): AhaError {
  return new AhaError({ code: 'assembler', boundary: 'runtime', what, found });
}
