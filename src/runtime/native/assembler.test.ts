/** Encodings against those of GNU as (binutils 2.40, `{vex3}` and `{load}` choose among its encodings), in `gnu-as.json`. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  Assembler,
  at,
  r12,
  r13,
  r14,
  r15,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  ymm,
  zmm,
} from './assembler.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/assembler/gnu-as.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const v = (code: number) => ymm[code]!;
const w = (code: number) => zmm[code]!;

/** By what GNU as calls it, in Intel's syntax. */
const instructions: Readonly<Record<string, (code: Assembler) => void>> = {
  '{load} mov rax, rbx': (code) => code.mov(rax, rbx),
  '{load} mov r12, rdi': (code) => code.mov(r12, rdi),
  'mov rcx, [rbx+16]': (code) => code.mov(rcx, at(rbx, 16)),
  'mov r15, [r13]': (code) => code.mov(r15, at(r13)),
  'mov rax, [rsp+8]': (code) => code.mov(rax, at(rsp, 8)),
  'mov rax, [r12]': (code) => code.mov(rax, at(r12)),
  'mov [rbp-8], r14': (code) => code.mov(at(rbp, -8), r14),
  'mov [rsp+1024], rax': (code) => code.mov(at(rsp, 1024), rax),
  'mov r13d, [rcx+rax*4]': (code) => code.mov32(r13, at(rcx, 0, rax, 4)),
  'mov eax, [r8+r9*8+4]': (code) => code.mov32(rax, at(r8, 4, r9, 8)),
  'movabs rsi, 0x1122334455667788': (code) => code.movImmediate(rsi, 0x1122334455667788n),
  'movabs r9, 0xfffffffffffffffe': (code) => code.movImmediate(r9, -2n),
  'lea rdi, [r8+rdx]': (code) => code.lea(rdi, at(r8, 0, rdx)),
  'lea rsp, [rbp-40]': (code) => code.lea(rsp, at(rbp, -40)),
  '{load} add r14, rdx': (code) => code.add(r14, rdx),
  'add rsi, [rbx+72]': (code) => code.add(rsi, at(rbx, 72)),
  'add rsi, 1000': (code) => code.add(rsi, 1000),
  'sub rsp, 4096': (code) => code.sub(rsp, 4096),
  '{load} sub rdx, r8': (code) => code.sub(rdx, r8),
  '{load} cmp rax, r13': (code) => code.cmp(rax, r13),
  'cmp r8, 70000': (code) => code.cmp(r8, 70000),
  'and rsp, -4096': (code) => code.and(rsp, -4096),
  'imul r15, r14': (code) => code.imul(r15, r14),
  'imul rcx, r12, 1000': (code) => code.imul(rcx, r12, 1000),
  '{load} xor edx, edx': (code) => code.clear(rdx),
  '{load} xor r9d, r9d': (code) => code.clear(r9),
  'shr rax, 9': (code) => code.shiftRight(rax, 9),
  'div rcx': (code) => code.div(rcx),
  'push rbx': (code) => code.push(rbx),
  'push r12': (code) => code.push(r12),
  'pop r15': (code) => code.pop(r15),
  'pop rbp': (code) => code.pop(rbp),
  'call rax': (code) => code.call(rax),
  'call r8': (code) => code.call(r8),
  ret: (code) => code.ret(),
  'rep movsb': (code) => code.repMovsb(),
  vzeroupper: (code) => code.zeroUpper(),
  'prefetcht0 [rsi+1536]': (code) => code.prefetch(at(rsi, 1536)),
  'prefetcht0 [r9+64]': (code) => code.prefetch(at(r9, 64)),
  '{vex3} vaddps ymm1, ymm2, ymm3': (code) => code.vector('addps', v(1), v(2), v(3)),
  '{vex3} vmulps ymm9, ymm10, ymm11': (code) => code.vector('mulps', v(9), v(10), v(11)),
  '{vex3} vsubps ymm0, ymm15, [rsi]': (code) => code.vector('subps', v(0), v(15), at(rsi)),
  '{vex3} vminps ymm0, ymm1, ymm2': (code) => code.vector('minps', v(0), v(1), v(2)),
  '{vex3} vdivps ymm15, ymm0, ymm14': (code) => code.vector('divps', v(15), v(0), v(14)),
  '{vex3} vmaxps ymm7, ymm8, ymm7': (code) => code.vector('maxps', v(7), v(8), v(7)),
  '{vex3} vxorps ymm12, ymm12, ymm12': (code) => code.zero(v(12)),
  '{vex3} vandps ymm0, ymm1, ymm9': (code) => code.vector('andps', v(0), v(1), v(9)),
  '{vex3} vsubss xmm3, xmm2, [r8+rax*4]': (code) => code.narrow('subss', v(3), v(2), at(r8, 0, rax, 4)),
  '{vex3} vaddsd xmm3, xmm2, xmm1': (code) => code.narrow('addsd', v(3), v(2), v(1)),
  '{vex3} vmulsd xmm3, xmm2, xmm1': (code) => code.narrow('mulsd', v(3), v(2), v(1)),
  '{vex3} vcvtss2sd xmm3, xmm2, xmm1': (code) => code.narrow('cvtss2sd', v(3), v(2), v(1)),
  '{vex3} vcvtsd2ss xmm3, xmm2, xmm1': (code) => code.narrow('cvtsd2ss', v(3), v(2), v(1)),
  '{vex3} vcmpnle_uqps ymm3, ymm2, ymm11': (code) => code.notLessEqual(v(3), v(2), v(11)),
  '{vex3} vcomisd xmm3, xmm12': (code) => code.compareDoubles(v(3), v(12)),
  '{vex3} vhaddps ymm0, ymm0, ymm9': (code) => code.vector('haddps', v(0), v(0), v(9)),
  '{vex3} vpaddd ymm0, ymm2, ymm1': (code) => code.vector('paddd', v(0), v(2), v(1)),
  'vfmadd213ps ymm2, ymm0, [r9+32]': (code) => code.vector('fmadd213ps', v(2), v(0), at(r9, 32)),
  'vfmadd231ps ymm3, ymm8, [rsi+rcx*4+256]': (code) =>
    code.vector('fmadd231ps', v(3), v(8), at(rsi, 256, rcx, 4)),
  'vfnmadd231ps ymm0, ymm1, ymm13': (code) => code.vector('fnmadd231ps', v(0), v(1), v(13)),
  '{vex3} vaddps xmm0, xmm0, xmm1': (code) => code.narrow('addps', v(0), v(0), v(1)),
  '{vex3} vmaxps xmm15, xmm15, xmm0': (code) => code.narrow('maxps', v(15), v(15), v(0)),
  '{vex3} vaddss xmm3, xmm2, xmm1': (code) => code.narrow('addss', v(3), v(2), v(1)),
  '{vex3} vmulss xmm3, xmm2, xmm1': (code) => code.narrow('mulss', v(3), v(2), v(1)),
  '{vex3} vdivss xmm3, xmm2, xmm14': (code) => code.narrow('divss', v(3), v(2), v(14)),
  '{vex3} vmaxss xmm15, xmm15, xmm0': (code) => code.narrow('maxss', v(15), v(15), v(0)),
  '{vex3} vmovhlps xmm1, xmm15, xmm15': (code) => code.narrow('movhlps', v(1), v(15), v(15)),
  '{vex3} vmovups ymm5, [r10+rax*4]': (code) => code.load(v(5), at(ten, 0, rax, 4)),
  '{vex3} vmovups [rsp+rcx*4], ymm9': (code) => code.store(at(rsp, 0, rcx, 4), v(9)),
  '{vex3} vmovups [rsp+rcx*4], xmm0': (code) => code.storeHalf(at(rsp, 0, rcx, 4), v(0)),
  '{vex3} vmovss xmm4, [rdi-4]': (code) => code.loadOne(v(4), at(rdi, -4)),
  '{vex3} vmovss [rsp+rcx*4], xmm0': (code) => code.storeOne(at(rsp, 0, rcx, 4), v(0)),
  'vbroadcastss ymm8, [rsp+rcx*4]': (code) => code.broadcast(v(8), at(rsp, 0, rcx, 4)),
  'vbroadcastss ymm15, xmm14': (code) => code.broadcast(v(15), v(14)),
  'vextractf128 xmm1, ymm9, 1': (code) => code.upperHalf(v(1), v(9)),
  'vroundps ymm1, ymm12, 0': (code) => code.round(v(1), v(12)),
  'vpermilps xmm1, xmm15, 0x55': (code) => code.permuteHalf(v(1), v(15), 0x55),
  '{vex3} vpslld ymm1, ymm9, 23': (code) => code.shiftLeft(v(1), v(9), 23),
  '{vex3} vcvtps2dq ymm1, ymm2': (code) => code.unary('cvtps2dq', v(1), v(2)),
  '{vex3} vsqrtps ymm1, ymm2': (code) => code.unary('sqrtps', v(1), v(2)),
  'prefetcht1 [r12]': (code) => code.prefetch(at(r12), 'second'),
  '{vex3} vunpcklps ymm1, ymm2, ymm11': (code) => code.vector('unpcklps', v(1), v(2), v(11)),
  '{vex3} vunpckhps ymm1, ymm2, ymm11': (code) => code.vector('unpckhps', v(1), v(2), v(11)),
  '{vex3} vunpcklpd ymm9, ymm2, ymm11': (code) => code.vector('unpcklpd', v(9), v(2), v(11)),
  '{vex3} vunpckhpd ymm9, ymm2, ymm11': (code) => code.vector('unpckhpd', v(9), v(2), v(11)),
  'vperm2f128 ymm9, ymm2, ymm11, 0x20': (code) => code.halves('lower', v(9), v(2), v(11)),
  'vperm2f128 ymm1, ymm12, ymm3, 0x31': (code) => code.halves('upper', v(1), v(12), v(3)),
  'vmovups zmm3, [rsi]': (code) => code.load(w(3), at(rsi)),
  'vmovups zmm29, [rsi+64]': (code) => code.load(w(29), at(rsi, 64)),
  'vmovups zmm29, [r14+8128]': (code) => code.load(w(29), at(r14, 8128)),
  'vmovups zmm17, [r13-8192]': (code) => code.load(w(17), at(r13, -8192)),
  'vmovups zmm17, [r13-8256]': (code) => code.load(w(17), at(r13, -8256)),
  'vmovups zmm17, [rbp]': (code) => code.load(w(17), at(rbp)),
  'vmovups zmm8, [rsi+4]': (code) => code.load(w(8), at(rsi, 4)),
  'vmovups zmm8, [r9+r10*8+128]': (code) => code.load(w(8), at(r9, 128, ten, 8)),
  'vmovups [r9+1024], zmm31': (code) => code.store(at(r9, 1024), w(31)),
  'vmovups [rsp+1000], zmm2': (code) => code.store(at(rsp, 1000), w(2)),
  'vbroadcastss zmm30, dword ptr [rdi+508]': (code) => code.broadcast(w(30), at(rdi, 508)),
  'vbroadcastss zmm30, dword ptr [rdi+512]': (code) => code.broadcast(w(30), at(rdi, 512)),
  'vbroadcastss zmm7, dword ptr [r12+36608]': (code) => code.broadcast(w(7), at(r12, 36608)),
  'vfmadd231ps zmm0, zmm30, zmm29': (code) => code.vector('fmadd231ps', w(0), w(30), w(29)),
  'vfmadd231ps zmm25, zmm7, zmm15': (code) => code.vector('fmadd231ps', w(25), w(7), w(15)),
  'vfmadd231ps zmm9, zmm16, zmm23': (code) => code.vector('fmadd231ps', w(9), w(16), w(23)),
  'vfmadd231ps zmm9, zmm16, [r11+64]': (code) => code.vector('fmadd231ps', w(9), w(16), at(eleven, 64)),
  'vaddps zmm9, zmm16, [rax+rcx*4]': (code) => code.vector('addps', w(9), w(16), at(rax, 0, rcx, 4)),
  'vpxord zmm31, zmm31, zmm31': (code) => code.zero(w(31)),
  'vpxord zmm5, zmm5, zmm5': (code) => code.zero(w(5)),
};
const ten = { kind: 'register', code: 10 } as const;
const eleven = { kind: 'register', code: 11 } as const;

function assembled(write: (code: Assembler) => void): string {
  const code = new Assembler();
  write(code);
  return Buffer.from(code.finish()).toString('hex');
}

describe('encodings', () => {
  it('has what GNU as says for each instruction', () => {
    expect(Object.keys(golden).toSorted()).toEqual(Object.keys(instructions).toSorted());
  });

  it.each(Object.entries(instructions))('%s', (text, write) => {
    expect(assembled(write)).toBe(golden[text]);
  });
});

describe('labels', () => {
  it('reach backwards and forwards, from the end of the instruction', () => {
    const code = new Assembler();
    const [start, end] = [code.label(), code.label()];
    code.bind(start);
    code.jump(end);
    code.jumpIf('below', start);
    code.bind(end);
    code.ret();
    // jmp +6; jb −11; ret
    expect(Buffer.from(code.finish()).toString('hex')).toBe('e9060000000f82f5ffffffc3');
  });

  it('give the places of data', () => {
    const code = new Assembler();
    const numbers = code.floats(1, 2);
    code.load(v(0), numbers);
    // 8 bytes of data, then an instruction of 9 bytes: vmovups ymm0, [rip − 17]
    expect(Buffer.from(code.finish()).toString('hex')).toBe('0000803f00000040c4e17c1005efffffff');
  });

  it('must be bound', () => {
    const code = new Assembler();
    code.jump(code.label());
    expect(() => code.finish()).toThrow('A label was used and never bound');
  });
});

describe('what cannot be encoded', () => {
  it.each([
    ['A constant does not fit into 4 bytes', (code: Assembler) => code.add(rax, 2 ** 40)],
    ['rsp cannot be an index', (code: Assembler) => code.mov(rax, at(rbx, 0, rsp))],
    ['no form for wide registers', (code: Assembler) => code.vector('haddps', w(0), w(1), w(2))],
    ['no form for wide registers', (code: Assembler) => code.vector('addps', w(0), w(1), v(2))],
    ['no form for wide registers', (code: Assembler) => code.storeHalf(at(rax), w(0))],
  ])('%s', (message, write) => {
    expect(() => assembled(write)).toThrow(message);
  });
});
