/**
 * The program in which an answer in TypeScript or JavaScript runs: it takes what it needs of the language before the
 * answer loads, calls the functions, and writes down what they return, property by property. The answer's `toJSON`,
 * `Symbol.toPrimitive`, getters on prototypes and changed built-ins are never consulted; a Proxy is data like any
 * other. It knows no expected value.
 */

/** A call as it is sent; arguments in the form of `plain-value.ts`. */
export interface ScriptCall {
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface ScriptJob {
  readonly source: string;
  readonly typescript: boolean;
  readonly marker: string;
  readonly calls: readonly ScriptCall[];
  /**
   * `blob`: the answer is imported from memory (Deno). `file`: it is a file beside this one, for runtimes that do not
   * import blobs.
   */
  readonly import: 'blob' | 'file';
}

/** The name under which the answer's functions are exported to the harness. */
const prefix = 'aha_function_';

/** The answer with exports of the functions that are called: their names need not be exported by the answer. */
export function withExports(source: string, names: Iterable<string>): string {
  const lines = [...new Set(names)].map((name, index) => `export { ${name} as ${prefix}${index} };`);
  // On lines of their own: a comment at the end of the answer must not swallow them.
  return `${source}\n${lines.join('\n')}\n`;
}

export function scriptCandidate(job: ScriptJob): string {
  const names = [...new Set(job.calls.map(({ name }) => name))];
  const source = withExports(job.source, names);
  const calls = job.calls.map(({ name, args }) => [names.indexOf(name), args]);
  const answer =
    job.import === 'blob'
      ? `URL.createObjectURL(new Blob([${JSON.stringify(source)}], { type: ${JSON.stringify(
          job.typescript ? 'application/typescript' : 'text/javascript',
        )} }))`
      : JSON.stringify(job.typescript ? './answer.ts' : './answer.mjs');
  return `const job = ${JSON.stringify({ marker: job.marker, calls })};
const location_ = ${answer};
${harness}`;
}

const harness = String.raw`
const apply = Reflect.apply, ownKeys = Reflect.ownKeys, getOwn = Reflect.getOwnPropertyDescriptor, protoOf = Reflect.getPrototypeOf;
const stringify = JSON.stringify, isArray = Array.isArray, toText = String, ObjectProto = Object.prototype, isFinite_ = Number.isFinite;
const print = console.log, MapProto = Map.prototype, SetProto = Set.prototype, DateProto = Date.prototype, ErrorProto = Error.prototype;
const mapForEach = MapProto.forEach, setForEach = SetProto.forEach, dateText = DateProto.toISOString, SymbolText = Symbol.prototype.toString;
const TypedArrayProto = protoOf(Uint8Array.prototype), typedLength = getOwn(TypedArrayProto, 'length').get;
const slice = String.prototype.slice, thenOf = Promise.prototype.then, PromiseProto = Promise.prototype;
const quote = (text) => apply(stringify, JSON, [text]);
let budget = 1000000;

function encode(value, depth) {
  if (depth > 150 || --budget < 0) return '{"o":"too much"}';
  switch (typeof value) {
    case 'undefined': return '{"u":1}';
    case 'boolean': return value ? 'true' : 'false';
    case 'string': return quote(value);
    case 'number': return '{"f":"' + (value === 0 ? '0' : toText(value)) + '"}';
    case 'bigint': return '{"d":[["$bigint",{"i":"' + toText(value) + '"}]]}';
    case 'symbol': return '{"o":"symbol"}';
    case 'function': return '{"o":"function"}';
  }
  if (value === null) return 'null';
  if (isArray(value)) {
    const length = getOwn(value, 'length').value;
    let text = '[';
    for (let i = 0; i < length; i++) {
      const own = getOwn(value, toText(i));
      text += (i > 0 ? ',' : '') + (own === undefined ? '{"u":1}' : 'value' in own ? encode(own.value, depth + 1) : '{"o":"getter"}');
      if (budget < 0) return '{"o":"too much"}';
    }
    return text + ']';
  }
  const proto = protoOf(value);
  if (proto === MapProto) {
    const parts = { length: 0, text: '' };
    apply(mapForEach, value, [(held, key) => { parts.text += (parts.length++ > 0 ? ',' : '') + '[' + encode(key, depth + 1) + ',' + encode(held, depth + 1) + ']'; }]);
    return '{"d":[["$map",{"d":[' + parts.text + ']}]]}';
  }
  if (proto === SetProto) {
    const parts = { length: 0, text: '' };
    apply(setForEach, value, [(held) => { parts.text += (parts.length++ > 0 ? ',' : '') + encode(held, depth + 1); }]);
    return '{"S":[' + parts.text + ']}';
  }
  if (proto === DateProto) return '{"d":[["$date",' + quote(apply(dateText, value, [])) + ']]}';
  if (proto !== ObjectProto && proto !== null) return '{"o":"an instance of a class"}';
  const keys = ownKeys(value);
  let text = '', count = 0;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (typeof key === 'symbol') return '{"o":"an object with symbols"}';
    const own = getOwn(value, key);
    if (own === undefined || !own.enumerable) continue;
    text += (count++ > 0 ? ',' : '') + '[' + quote(key) + ',' + ('value' in own ? encode(own.value, depth + 1) : '{"o":"getter"}') + ']';
    if (budget < 0) return '{"o":"too much"}';
  }
  return '{"d":[' + text + ']}';
}

function decode(value) {
  if (value === null || typeof value !== 'object') return value;
  if (isArray(value)) { const list = []; for (let i = 0; i < value.length; i++) list[i] = decode(value[i]); return list; }
  if ('i' in value) { const n = Number(value.i); return n; }
  if ('f' in value) return Number(value.f);
  if ('u' in value) return undefined;
  if ('S' in value) return new Set(decode(value.S));
  if ('t' in value) return decode(value.t);
  const object = {};
  for (let i = 0; i < value.d.length; i++) {
    const key = value.d[i][0], held = value.d[i][1];
    if (key === '$map') { const map = new Map(); for (const [k, v] of held.d) map.set(decode(k), decode(v)); return map; }
    if (key === '$bigint') return BigInt(held.i);
    if (key === '$date') return new Date(held);
    Object.defineProperty(object, key, { value: decode(held), writable: true, enumerable: true, configurable: true });
  }
  return object;
}

function errorName(error) {
  let object = error, text = '';
  for (let depth = 0; depth < 6 && object !== null && (typeof object === 'object' || typeof object === 'function'); depth++) {
    const own = getOwn(object, 'name');
    if (own !== undefined && typeof own.value === 'string') text += (text === '' ? '' : ',') + quote(apply(slice, own.value, [0, 60]));
    object = protoOf(object);
  }
  return '[' + text + ']';
}
function errorText(error) {
  if (error === null || typeof error !== 'object') return quote(typeof error === 'string' ? apply(slice, error, [0, 300]) : typeof error);
  const own = getOwn(error, 'message');
  return quote(own !== undefined && typeof own.value === 'string' ? apply(slice, own.value, [0, 300]) : '');
}
const emit = (text) => print('\n' + job.marker + text);

let answer;
const decoded = [];
for (const [index, args] of job.calls) decoded[decoded.length] = { index, args: decode(args) };
try {
  answer = await import(location_);
} catch (error) {
  emit('{"load":' + errorName(error) + ',"message":' + errorText(error) + '}');
}
if (answer !== undefined) {
  emit('{"load":null}');
  for (let i = 0; i < decoded.length; i++) {
    let text;
    try {
      let value = apply(answer['aha_function_' + toText(decoded[i].index)], undefined, decoded[i].args);
      if (value !== null && typeof value === 'object' && protoOf(value) === PromiseProto) {
        value = await new Promise((resolve, reject) => { apply(thenOf, value, [(held) => resolve([held]), reject]); });
        value = value[0];
      }
      budget = 1000000;
      text = '"returned":' + encode(value, 0);
    } catch (error) {
      text = '"raised":' + errorName(error) + ',"message":' + errorText(error);
    }
    emit('{"n":' + toText(i) + ',' + text + '}');
  }
}
`;
