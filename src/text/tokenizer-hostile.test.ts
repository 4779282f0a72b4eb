import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAhaError } from '../errors.ts';
import { randomStream } from '../util/random.ts';
import { withDeadline } from './deadline.ts';
import { loadTokenizer } from './tokenizer-folder.ts';
import { Tokenizer } from './tokenizer.ts';

const fixtures = new URL('../../test/fixtures/text/tokenizers/', import.meta.url);

type Json = Record<string, unknown>;

function documentOf(name: string): Json {
  return (JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), 'utf8')) as { tokenizer: Json })
    .tokenizer;
}

function ahaError(code: string, message: RegExp): unknown {
  return expect.objectContaining({
    name: 'AhaError',
    boundary: 'text',
    code,
    message: expect.stringMatching(message),
  });
}

const gpt2 = documentOf('gpt2');
const llama2 = documentOf('llama2');
const unigram = documentOf('unigram');

/** A copy of a document with the value at a path replaced. */
function changed(document: Json, path: readonly (string | number)[], value: unknown): Json {
  const copy = structuredClone(document);
  let target = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) target = target[key] as Record<string | number, unknown>;
  target[path.at(-1)!] = value;
  return copy;
}

/** `done`, `refused` by an AhaError of this layer, or what else was thrown. */
function outcomeOf(run: () => void): unknown {
  try {
    run();
    return 'done';
  } catch (error) {
    return isAhaError(error) && error.boundary === 'text' ? 'refused' : error;
  }
}

describe('tokenizer documents that cannot be used', () => {
  test.each<[string, unknown, string, RegExp]>([
    ['null', null, 'tokenizer-malformed', /tokenizer\.json/],
    ['a list', [], 'tokenizer-malformed', /tokenizer\.json/],
    ['a string', 'x', 'tokenizer-malformed', /tokenizer\.json/],
    ['nothing in it', {}, 'tokenizer-malformed', /model/],
    ['a model that is a number', { model: 3 }, 'tokenizer-malformed', /model: found 3/],
    ['an empty model', { model: {} }, 'tokenizer-unsupported', /expected BPE, Unigram or WordLevel/],
    ['WordPiece', { model: { type: 'WordPiece', vocab: {} } }, 'tokenizer-unsupported', /found WordPiece/],
    [
      'no vocabulary',
      { model: { type: 'BPE', merges: [] } },
      'tokenizer-malformed',
      /model\.vocab: found nothing/,
    ],
    [
      'no merges',
      { model: { type: 'BPE', vocab: {} } },
      'tokenizer-malformed',
      /model\.merges: found nothing/,
    ],
    [
      'an id that is text',
      changed(gpt2, ['model', 'vocab', 'a'], '1'),
      'tokenizer-malformed',
      /vocab\["a"\]: found 1/,
    ],
    ['a negative id', changed(gpt2, ['model', 'vocab', 'a'], -1), 'tokenizer-malformed', /found -1/],
    ['a broken id', changed(gpt2, ['model', 'vocab', 'a'], 1.5), 'tokenizer-malformed', /found 1\.5/],
    [
      'an enormous id',
      changed(gpt2, ['model', 'vocab', 'a'], 2 ** 40),
      'tokenizer-malformed',
      /found 1099511627776/,
    ],
    [
      'an id twice',
      changed(gpt2, ['model', 'vocab', 'a'], 70),
      'tokenizer-inconsistent',
      /Two tokens have the id 70/,
    ],
    [
      'half a surrogate pair in a token',
      changed(gpt2, ['model', 'vocab', '\ud83d'], 9000),
      'tokenizer-inconsistent',
      /half a surrogate pair/,
    ],
    [
      'merges that are numbers',
      changed(gpt2, ['model', 'merges'], [1]),
      'tokenizer-malformed',
      /merges\[0\]: found 1/,
    ],
    ['a merge of three', changed(gpt2, ['model', 'merges'], ['a b c']), 'tokenizer-malformed', /found a b c/],
    [
      'a merge of an unknown token',
      changed(gpt2, ['model', 'merges', 5], ['zzz', 'a']),
      'tokenizer-inconsistent',
      /Merge 5 .*"zzz" \+ "a".*found zzz/,
    ],
    [
      'a merge whose result is unknown',
      changed(gpt2, ['model', 'merges', 0], ['Z', 'Q']),
      'tokenizer-inconsistent',
      /Merge 0 .*found ZQ/,
    ],
    ['dropout', changed(gpt2, ['model', 'dropout'], 0.1), 'tokenizer-unsupported', /dropout.*found 0\.1/],
    [
      'a suffix',
      changed(gpt2, ['model', 'end_of_word_suffix'], '</w>'),
      'tokenizer-unsupported',
      /end_of_word_suffix/,
    ],
    [
      'an unknown unk_token',
      changed(llama2, ['model', 'unk_token'], '<none>'),
      'tokenizer-inconsistent',
      /unk_token.*found <none>/,
    ],
    [
      'an unknown normalizer',
      changed(gpt2, ['normalizer'], { type: 'Magic' }),
      'tokenizer-malformed',
      /normalizer/,
    ],
    [
      'an unknown pre-tokenizer',
      changed(gpt2, ['pre_tokenizer'], { type: 'Magic' }),
      'tokenizer-malformed',
      /pre_tokenizer/,
    ],
    ['an unknown decoder', changed(gpt2, ['decoder'], { type: 'CTC' }), 'tokenizer-malformed', /decoder/],
    [
      'an unknown post-processor',
      changed(gpt2, ['post_processor'], { type: 'x' }),
      'tokenizer-malformed',
      /post_processor/,
    ],
    [
      'a regular expression that is none',
      changed(gpt2, ['pre_tokenizer'], { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' }),
      'tokenizer-unsupported',
      /regular expression/,
    ],
    [
      'bytes before another step',
      changed(gpt2, ['pre_tokenizer'], {
        type: 'Sequence',
        pretokenizers: [{ type: 'ByteLevel' }, { type: 'Digits' }],
      }),
      'tokenizer-unsupported',
      /ByteLevel is followed/,
    ],
    [
      'a template that names an unknown token',
      changed(gpt2, ['post_processor'], {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<x>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        special_tokens: {},
      }),
      'tokenizer-malformed',
      /"<x>", which it does not define/,
    ],
    [
      'a template without the text',
      changed(gpt2, ['post_processor'], { type: 'TemplateProcessing', single: [], special_tokens: {} }),
      'tokenizer-malformed',
      /\$A/,
    ],
    [
      'a template with an id that does not exist',
      changed(llama2, ['post_processor', 'special_tokens', '<s>', 'ids'], [99_999]),
      'tokenizer-inconsistent',
      /found id 99999/,
    ],
    [
      'an added token without text',
      changed(gpt2, ['added_tokens', 0, 'content'], ''),
      'tokenizer-malformed',
      /added_tokens\[0\]\.content/,
    ],
    [
      'an added token with another id',
      changed(gpt2, ['added_tokens', 0, 'id'], 7),
      'tokenizer-inconsistent',
      /two ids|have the id/,
    ],
    ['an empty unigram', changed(unigram, ['model', 'vocab'], []), 'tokenizer-malformed', /model\.vocab/],
    [
      'a unigram without scores',
      changed(unigram, ['model', 'vocab', 4], ['a']),
      'tokenizer-malformed',
      /vocab\[4\]/,
    ],
    [
      'an unk_id beyond',
      changed(unigram, ['model', 'unk_id'], 9999),
      'tokenizer-malformed',
      /unk_id: found 9999/,
    ],
    [
      'bytes and unigram',
      changed(unigram, ['pre_tokenizer'], { type: 'ByteLevel' }),
      'tokenizer-malformed',
      /ByteLevel/,
    ],
  ])('%s', (_, tokenizer, code, message) => {
    expect(() => new Tokenizer({ tokenizer, source: 'x' })).toThrow(ahaError(code, message));
  });

  test.each<[string, unknown, string, RegExp]>([
    ['a list', [], 'tokenizer-malformed', /tokenizer_config\.json/],
    ['a number for a token', { eos_token: 5 }, 'tokenizer-malformed', /eos_token/],
    [
      'an eos_token that does not exist',
      { eos_token: '</end>' },
      'tokenizer-inconsistent',
      /eos_token.*found <\/end>/,
    ],
    [
      'an added token with a taken id',
      { added_tokens_decoder: { 5: { content: '<new>' } } },
      'tokenizer-inconsistent',
      /have the id 5/,
    ],
    [
      'an added token with a wrong key',
      { added_tokens_decoder: { x: { content: '<new>' } } },
      'tokenizer-malformed',
      /added_tokens_decoder/,
    ],
  ])('a config with %s', (_, config, code, message) => {
    expect(() => new Tokenizer({ tokenizer: gpt2, config, source: 'x' })).toThrow(ahaError(code, message));
  });

  test('any change anywhere makes an AhaError or a tokenizer, never another error', () => {
    const random = randomStream(5, 'mutations');
    const values: unknown[] = [null, true, -1, 1.5, 1e300, '', 'x', [], {}, [[]], { type: 'Sequence' }];
    let refused = 0;
    for (let trial = 0; trial < 600; trial++) {
      const document = structuredClone(random.pick([gpt2, llama2, unigram]));
      let target: Json = document;
      for (;;) {
        const key = random.pick(Object.keys(target));
        const inner = target[key];
        const canDescend = typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0;
        if (canDescend && random.next() < 0.7) target = inner as Json;
        else {
          target[key] = random.pick(values);
          break;
        }
      }
      const outcome = outcomeOf(() => {
        const tokenizer = new Tokenizer({ tokenizer: document, source: 'x' });
        tokenizer.decode(tokenizer.encode('some text, 中 <s> \u0085'));
      });
      expect(['done', 'refused']).toContain(outcome);
      if (outcome === 'refused') refused++;
    }
    expect(refused).toBeGreaterThan(150);
  });
});

describe('text that cannot be encoded', () => {
  const tokenizer = new Tokenizer({ tokenizer: gpt2, source: 'x' });

  test.each(['\ud83d', 'a\udc00b', '\ude00\ud83d'])('half a surrogate pair: %j', (text) => {
    expect(() => tokenizer.encode(text)).toThrow(ahaError('text-malformed', /surrogate pair.*position [01]/));
  });

  test.each([[null], [undefined], [5], [{}]])('%j is no text', (value) => {
    expect(() => tokenizer.encode(value as never)).toThrow(ahaError('text-malformed', /expected a string/));
  });

  test('a byte that has no token', () => {
    const { ['Ā']: _, ...vocab } = (gpt2['model'] as Json)['vocab'] as Record<string, number>;
    const without = new Tokenizer({ tokenizer: changed(gpt2, ['model', 'vocab'], vocab), source: 'x' });
    expect(() => without.encode('a\u0000')).toThrow(ahaError('character-unknown', /<0x00>/));
  });
});

describe('ten megabytes of one line', () => {
  const megabytes = 10_000_000;
  test.each([
    ['gpt2', 'a'],
    ['gpt2', 'some words, '],
    ['llama2', 'a'],
    ['unigram', 'some words, '],
  ])('%s, %j', (name, unit) => {
    const tokenizer = new Tokenizer({ tokenizer: documentOf(name), source: name });
    const text = unit.repeat(megabytes / unit.length);
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    expect(ids.length).toBeGreaterThan(megabytes / 100);
    const all = tokenizer.decode(ids.subarray(0, 1000));
    expect(text.startsWith(all.trimStart()) || text.startsWith(all)).toBe(true);
  });

  test('a run that the regular expression engine cannot hold is an error', () => {
    const tokenizer = new Tokenizer({ tokenizer: gpt2, source: 'gpt2' });
    expect(() => tokenizer.encode('中'.repeat(megabytes))).toThrow(
      ahaError('text-too-long', /10000000 characters/),
    );
    expect([...tokenizer.encode('a')]).toHaveLength(1);
  });

  test('more than any model reads is an error', () => {
    const tokenizer = new Tokenizer({ tokenizer: gpt2, source: 'gpt2' });
    expect(() => tokenizer.encode('a'.repeat(2 ** 26 + 1))).toThrow(
      ahaError('text-too-long', /67108865 characters/),
    );
  });
});

describe('regular expressions that take for ever', () => {
  test('are stopped', () => {
    const slow = changed(gpt2, ['pre_tokenizer'], {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ],
    });
    const tokenizer = new Tokenizer({ tokenizer: slow, patternDeadline: 100, source: 'x' });
    expect(() => tokenizer.encode(`${'a'.repeat(50)}b`)).toThrow(ahaError('deadline-exceeded', /0\.1 s/));
    expect(tokenizer.decode(tokenizer.encode('aab'))).toBe('aab');
  });

  test('in a decoder, too', () => {
    const slow = changed(llama2, ['decoder'], {
      type: 'Sequence',
      decoders: [{ type: 'Fuse' }, { type: 'Replace', pattern: { Regex: '(▁+)+x' }, content: ' ' }],
    });
    const tokenizer = new Tokenizer({ tokenizer: slow, patternDeadline: 100, source: 'x' });
    const ids = tokenizer.encode(' '.repeat(60), { addSpecialTokens: false });
    expect(() => tokenizer.decode(ids)).toThrow(ahaError('deadline-exceeded', /Decoding/));
  });

  test('withDeadline passes results and errors through', () => {
    expect(withDeadline(1000, 'x', 'y', () => 42)).toBe(42);
    const error = new Error('mine');
    expect(() =>
      withDeadline(1000, 'x', 'y', () => {
        throw error;
      }),
    ).toThrow(error);
  });
});

describe('loadTokenizer', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'aha-text-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });
  const put = (name: string, content: unknown): Promise<void> =>
    writeFile(
      join(folder, name),
      typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content),
    );

  test('reads special tokens, several end tokens and the template, and keeps the files', async () => {
    const config = {
      bos_token: '<s>',
      eos_token: { __type: 'AddedToken', content: '</s>', lstrip: false },
      pad_token: '<none>',
      chat_template: [
        { name: 'tool_use', template: 'tools' },
        { name: 'default', template: 'default' },
      ],
      unheard_of: [1, 2, 3],
    };
    await put('tokenizer.json', llama2);
    await put('tokenizer_config.json', `${JSON.stringify(config)}\n\n`);
    await put('special_tokens_map.json', { unk_token: '<unk>', bos_token: '</s>' });
    await put('generation_config.json', { eos_token_id: [2, 5, 7] });
    await put('config.json', { eos_token_id: 9 });
    await put('merges.txt', '#version: 0.2\n');
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.bosId).toBe(1);
    expect(tokenizer.eosIds).toEqual([2, 5, 7]);
    expect(tokenizer.padId).toBeUndefined();
    expect(tokenizer.unknownId).toBe(0);
    expect(tokenizer.vocabularySize).toBe(Object.keys((llama2['model'] as Json)['vocab'] as Json).length);
    expect(tokenizer.chatTemplate).toBe('default');
    expect([...tokenizer.files.keys()].sort()).toEqual([
      'generation_config.json',
      'merges.txt',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    for (const [name, content] of tokenizer.files) {
      expect(Buffer.from(content).equals(readFileSync(join(folder, name)))).toBe(true);
    }
  });

  test('a template of its own goes before the one in the config', async () => {
    await put('tokenizer.json', gpt2);
    await put('tokenizer_config.json', { chat_template: 'old' });
    await put('chat_template.jinja', 'new');
    expect((await loadTokenizer(folder)).chatTemplate).toBe('new');
  });

  test('config.json names the end when nothing else does', async () => {
    await put('tokenizer.json', gpt2);
    await put('config.json', { eos_token_id: 0 });
    expect((await loadTokenizer(folder)).eosIds).toEqual([0]);
  });

  test('add_bos_token and add_eos_token decide, as in transformers', async () => {
    await put('tokenizer.json', llama2);
    const names = { bos_token: '<s>', eos_token: '</s>' };
    const idsWith = async (flags: Json): Promise<number[]> => {
      await put('tokenizer_config.json', { ...names, ...flags });
      return [...(await loadTokenizer(folder)).encode('')];
    };
    expect(await idsWith({})).toEqual([1]);
    expect(await idsWith({ add_bos_token: false })).toEqual([]);
    expect(await idsWith({ add_bos_token: true, add_eos_token: true })).toEqual([1, 2]);
    expect(await idsWith({ add_eos_token: true })).toEqual([2]);
  });

  test('flags of added tokens in the config go first', async () => {
    await put('tokenizer.json', gpt2);
    const token = { content: '<|endoftext|>', lstrip: true, special: true };
    await put('tokenizer_config.json', { added_tokens_decoder: { 0: token, 400: { content: '<new>' } } });
    const tokenizer = await loadTokenizer(folder);
    expect([...tokenizer.encode('  <|endoftext|><new>')]).toEqual([0, 400]);
    expect(tokenizer.vocabularySize).toBe(401);
  });

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['an empty folder', {}, 'tokenizer-missing', /has no tokenizer\.json.*Name the folder/],
    [
      'an old tokenizer',
      { 'vocab.json': {}, 'merges.txt': '' },
      'tokenizer-missing',
      /found vocab\.json, merges\.txt.*Convert/,
    ],
    [
      'JSON that is cut off',
      { 'tokenizer.json': '{"model": {"ty' },
      'tokenizer-malformed',
      /tokenizer\.json is not valid JSON.*download it again/,
    ],
    ['an empty file', { 'tokenizer.json': '' }, 'tokenizer-malformed', /not valid JSON/],
    [
      'a pointer',
      { 'tokenizer.json': 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 17\n' },
      'tokenizer-malformed',
      /Git LFS pointer/,
    ],
    [
      'bytes that are no text',
      { 'tokenizer.json': Uint8Array.of(0xff, 0xfe, 0, 1) },
      'tokenizer-malformed',
      /not text in UTF-8/,
    ],
    [
      'a damaged config',
      { 'tokenizer.json': gpt2, 'tokenizer_config.json': '{' },
      'tokenizer-malformed',
      /tokenizer_config\.json is not valid JSON/,
    ],
    [
      'a config that is a list',
      { 'tokenizer.json': gpt2, 'tokenizer_config.json': '[]' },
      'tokenizer-malformed',
      /tokenizer_config\.json/,
    ],
    [
      'end tokens that are text',
      { 'tokenizer.json': gpt2, 'generation_config.json': { eos_token_id: 'x' } },
      'tokenizer-malformed',
      /generation_config\.json.*eos_token_id/,
    ],
  ])('%s is an error', async (_, files, code, message) => {
    for (const [name, content] of Object.entries(files)) await put(name, content);
    await expect(loadTokenizer(folder)).rejects.toThrow(ahaError(code, message));
  });

  test('a folder that does not exist, and a file in its place', async () => {
    await expect(loadTokenizer(join(folder, 'nowhere'))).rejects.toThrow(
      ahaError('tokenizer-missing', /nowhere/),
    );
    await put('file', 'x');
    await expect(loadTokenizer(join(folder, 'file'))).rejects.toThrow(ahaError('tokenizer-missing', /file/));
  });

  test('a folder in the place of tokenizer.json', async () => {
    await mkdir(join(folder, 'tokenizer.json'));
    await expect(loadTokenizer(folder)).rejects.toThrow(
      expect.objectContaining({ name: 'AhaError', boundary: 'storage', code: 'storage-eisdir' }),
    );
  });
});
