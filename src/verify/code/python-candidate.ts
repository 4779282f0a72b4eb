/**
 * The program in which an answer in Python runs: the answer, then one call after the other with the arguments that
 * were sent. It knows no expected value. What it prints is data, whoever printed it: an answer that writes the
 * results itself has only returned them in another way.
 */
import { pythonCodec } from './python-codec.ts';

/** What is sent on standard input, as JSON. */
export interface PythonCalls {
  readonly source: string;
  /** Before every line of results, so that ordinary output is told from them. */
  readonly marker: string;
  readonly calls: readonly {
    readonly name: string;
    readonly args: readonly unknown[];
    readonly kwargs?: unknown;
  }[];
}

export const pythonCandidate = String.raw`${pythonCodec}
def _aha_main():
    import builtins, os, sys, json
    sys.setrecursionlimit(min(sys.getrecursionlimit(), 3000) if sys.platform == 'emscripten' else 20000)
    encode, decode, dumps, _ = _aha_codec()
    job = json.loads(sys.stdin.read())
    marker, out = job['marker'], sys.stdout
    write, flush, _type, _str = out.write, out.flush, type, str
    names_of = type.__dict__['__name__'].__get__
    mro_of = type.__dict__['__mro__'].__get__
    def emit(record):
        write('\n' + marker + dumps(record) + '\n')
        flush()
    def kinds(error):
        return [_str(names_of(kind)) for kind in mro_of(_type(error))][:12]
    def say(error):
        try: return _str(error)[:300]
        except BaseException: return ''
    module = _type(sys)('__main__')
    sys.modules['__main__'] = module
    space = module.__dict__
    try:
        exec(compile(job['source'], 'answer.py', 'exec'), space)
    except BaseException as error:
        emit({'load': kinds(error), 'message': say(error), 'line': getattr(error, 'lineno', None)})
        return
    emit({'load': None})
    decoded = []
    for call in job['calls']:
        decoded.append((call['name'], [decode(x) for x in call['args']], {k: decode(v) for k, v in (call.get('kwargs') or {}).items()}))
    index = 0
    for name, args, kwargs in decoded:
        try:
            function = space[name] if name in space else getattr(builtins, name)
            value = function(*args, **kwargs)
            record = {'n': index, 'returned': encode(value)}
        except BaseException as error:
            record = {'n': index, 'raised': kinds(error), 'message': say(error)}
        emit(record)
        index += 1
_aha_main()
`;
