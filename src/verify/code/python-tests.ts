/**
 * The program in which tests in Python run: without the answer. Where the tests call it, they reach a stand-in that
 * looks the result up among those that the answer gave in its own process, so that nothing of the answer but plain
 * data ever meets an `assert`.
 *
 * A first run knows no results. Its stand-ins give placeholders, and every call and every comparison
 * `call(…) == expected` is written down. If nothing else was done with a placeholder, the list of calls and expected
 * values is the whole test, and the host compares by itself from then on. Otherwise the tests are run again with the
 * results in place, as often as new calls turn up.
 */
import { pythonCodec } from './python-codec.ts';

/** What is sent on standard input, as JSON. */
export interface PythonTests {
  readonly marker: string;
  /** Names that are the answer's. */
  readonly names: readonly string[];
  /** Run before the units: imports, fixtures, the function `check`. */
  readonly setup: string;
  /** Each is one test. */
  readonly units: readonly string[];
  /** `pytest`: the units are found in `setup`, as functions named `test_…`. */
  readonly mode: 'units' | 'pytest';
  /** Outcomes of the calls, in their order, as far as they are known. */
  readonly known: readonly unknown[];
}

export const pythonTests = String.raw`${pythonCodec}
def _aha_main():
    import ast, builtins, json, random, sys, traceback, types
    sys.setrecursionlimit(min(sys.getrecursionlimit(), 3000) if sys.platform == 'emscripten' else 20000)
    encode, decode, dumps, Opaque = _aha_codec()
    job = json.loads(sys.stdin.read())
    marker, known = job['marker'], job['known']
    write, flush = sys.stdout.write, sys.stdout.flush
    # Tests that draw numbers draw the same ones in every run.
    random.seed(20210707)
    calls, state = [], {'unit': 0, 'whole': True, 'unsupported': None, 'checks': []}

    class Unknown(BaseException): pass

    class Placeholder:
        def __init__(self, index): self.__dict__['_index'] = index
        def _used(self, *_, **__):
            state['whole'] = False
            return self
        def __eq__(self, other): state['whole'] = False; return True
        def __ne__(self, other): state['whole'] = False; return True
        __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
        def __bool__(self): state['whole'] = False; return True
        def __hash__(self): state['whole'] = False; return 0
        def __len__(self): raise Unknown()
        def __iter__(self): raise Unknown()
        def __index__(self): state['whole'] = False; return 0
        def __int__(self): state['whole'] = False; return 0
        def __float__(self): state['whole'] = False; return 0.0
        def __str__(self): raise Unknown()
        __repr__ = __str__
        def __getattr__(self, name): raise Unknown()
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _used
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = _used
        __round__ = __getitem__ = __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __invert__ = _used

    def has_placeholder(value, depth=0):
        if type(value) is Placeholder: return True
        if depth > 3: return False
        if type(value) in (list, tuple, set): return any(has_placeholder(x, depth + 1) for x in value)
        if type(value) is dict: return any(has_placeholder(x, depth + 1) for pair in value.items() for x in pair)
        return False

    def is_plain(value):
        if type(value) is list: return all(is_plain(x) for x in value)
        if type(value) is dict:
            (key, held), = value.items()
            if key == 'o': return False
            if key in 'tS': return all(is_plain(x) for x in held)
            if key == 'd': return all(is_plain(x) for pair in held for x in pair)
        return True

    def raise_like(names, message):
        for name in names:
            kind = getattr(builtins, name, None)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                # The answer asks to leave, or something like it: for the tests that is an error like any other.
                raise (kind if issubclass(kind, Exception) else RuntimeError)(message)
        raise RuntimeError(message)

    def stand_in(name):
        def call(*args, **kwargs):
            index = len(calls)
            if has_placeholder(args) or has_placeholder(kwargs):
                state['whole'] = False
                raise Unknown()
            sent = {'name': name, 'args': [encode(x) for x in args]}
            if kwargs: sent['kwargs'] = {k: encode(v) for k, v in kwargs.items()}
            if not all(is_plain(x) for x in sent['args']) or not all(is_plain(x) for x in sent.get('kwargs', {}).values()):
                state['unsupported'] = state['unsupported'] or 'passes ' + name + ' what is no plain data'
                raise Unknown()
            calls.append(sent)
            if index >= len(known): return Placeholder(index)
            outcome = known[index]
            if 'raised' in outcome: raise_like(outcome['raised'], 'raised by the answer')
            return decode(outcome['returned'])
        call.__name__ = name
        return call

    def on_compare(left, right):
        if type(left) is Placeholder:
            value = encode(right)
            if has_placeholder(right) or not is_plain(value):
                state['whole'] = False
                return True
            state['checks'].append({'unit': state['unit'], 'call': left._index, 'kind': 'equal', 'expected': value})
            return True
        return on_other(left == right)

    # As long as results are missing, tests go on, so that one run finds as many calls as it can.
    def on_other(held):
        if len(calls) > len(known) and not held:
            state['whole'] = False
            return True
        return held

    def on_truth(value, kind):
        if type(value) is Placeholder:
            state['checks'].append({'unit': state['unit'], 'call': value._index, 'kind': kind})
            return True
        return on_other((not value) if kind == 'falsy' else value)

    class Asserts(ast.NodeTransformer):
        def call(self, name, node, *rest):
            return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(rest), []), node)
        def visit_Assert(self, node):
            self.generic_visit(node)
            test = node.test
            if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
                node.test = self.call('_aha_compare', test, test.left, test.comparators[0])
            elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                node.test = self.call('_aha_truth', test, test.operand, ast.Constant('falsy'))
            elif isinstance(test, ast.Call):
                node.test = self.call('_aha_truth', test, test, ast.Constant('truthy'))
            elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Is) \
                    and isinstance(test.comparators[0], ast.Constant) and (test.comparators[0].value is None or type(test.comparators[0].value) is bool):
                node.test = self.call('_aha_is', test, test.left, test.comparators[0])
            else:
                node.test = self.call('_aha_other', test, test)
            return node

    def on_is(left, right):
        if type(left) is Placeholder:
            state['checks'].append({'unit': state['unit'], 'call': left._index, 'kind': 'is', 'expected': right})
            return True
        return on_other(left is right)

    space = {'__name__': 'tests', '_aha_compare': on_compare, '_aha_truth': on_truth, '_aha_is': on_is, '_aha_other': on_other}
    if job['mode'] == 'units':
        for name in job['names']: space[name] = stand_in(name)

    def run(source, name):
        tree = ast.fix_missing_locations(Asserts().visit(ast.parse(source)))
        exec(compile(tree, name, 'exec'), space)

    def say(error):
        try: text = str(error)
        except BaseException: text = ''
        line = None
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in ('tests.py', 'setup.py'): line = frame.lineno
        return type(error).__name__ + (': ' + text if text else '') + (' (line %d)' % line if line else '')

    results = []
    def unit(action):
        state['unit'] = len(results)
        try:
            action()
            results.append({'passed': True, 'pending': len(calls) > len(known)})
        except Unknown:
            state['whole'] = False
            results.append({'passed': None})
        except BaseException as error:
            results.append({'passed': None if len(calls) > len(known) else False, 'message': say(error)[:500]})

    broken = None
    if job['mode'] == 'pytest':
        _aha_pytest(space, job, stand_in)
    try:
        run(job['setup'], 'setup.py')
    except Unknown:
        state['unsupported'] = state['unsupported'] or 'needs results of the answer while the tests load'
    except BaseException as error:
        broken = say(error)[:500]
    # The setup may define what the answer is asked for: a prompt has the function's head.
    if job['mode'] == 'units':
        for name in job['names']: space[name] = stand_in(name)
    names = []
    if broken is None and state['unsupported'] is None:
        if job['mode'] == 'pytest':
            for name, action in _aha_collect(space):
                names.append(name)
                unit(action)
        else:
            for source in job['units']: unit(lambda: run(source, 'tests.py'))
    write('\n' + marker + dumps({'calls': calls, 'checks': state['checks'], 'whole': state['whole'], 'results': results,
        'names': names, 'unsupported': state['unsupported'], 'broken': broken}) + '\n')
    flush()

def _aha_pytest(space, job, stand_in):
    import sys, types, builtins, math
    module = types.ModuleType('pytest')
    class Raises:
        def __init__(self, expected, match=None): self.expected, self.match, self.value = expected, match, None
        def __enter__(self): return self
        def __exit__(self, kind, value, trace):
            import re
            if kind is None: raise AssertionError('did not raise ' + str(self.expected))
            if not issubclass(kind, self.expected): return False
            self.value = value
            self.type = kind
            return True
    def raises(expected, *rest, match=None, **kwargs):
        if not rest: return Raises(expected, match)
        with Raises(expected) as found: rest[0](*rest[1:], **kwargs)
        return found
    class Approx:
        def __init__(self, expected, rel=None, abs=None): self.expected, self.rel, self.abs = expected, rel, abs
        def near(self, value, expected):
            if type(expected) in (list, tuple): return type(value) in (list, tuple) and len(value) == len(expected) and all(self.near(v, e) for v, e in zip(value, expected))
            if type(expected) is dict: return type(value) is dict and value.keys() == expected.keys() and all(self.near(value[k], expected[k]) for k in expected)
            if type(value) not in (int, float, bool): return False
            limit = max((1e-6 if self.rel is None else self.rel) * builtins.abs(expected), 1e-12 if self.abs is None else self.abs)
            return value == expected or builtins.abs(value - expected) <= limit
        def __eq__(self, value): return self.near(value, self.expected)
    class Mark:
        def parametrize(self, names, values, ids=None):
            keys = [n.strip() for n in names.split(',')] if isinstance(names, str) else list(names)
            def decorate(function):
                rows = [dict(zip(keys, v if len(keys) > 1 else [v])) for v in values]
                earlier = getattr(function, '_aha_rows', [{}])
                function._aha_rows = [{**a, **b} for a in earlier for b in rows]
                return function
            return decorate
        def __getattr__(self, name):
            def decorate(*args, **kwargs):
                if len(args) == 1 and callable(args[0]): return args[0]
                return lambda function: function
            return decorate
    def fixture(function=None, **_):
        def decorate(f):
            f._aha_fixture = True
            return f
        return decorate if function is None else decorate(function)
    module.raises, module.approx, module.mark, module.fixture = raises, Approx, Mark(), fixture
    module.fail = lambda reason='': (_ for _ in ()).throw(AssertionError(reason))
    sys.modules['pytest'] = module
    class Solution(types.ModuleType):
        __all__ = job['names']
        def __getattr__(self, name):
            if name.startswith('__'): raise AttributeError(name)
            return stand_in(name)
    for name in ('solution', 'answer', 'candidate', 'main'): sys.modules[name] = Solution(name)

def _aha_collect(space):
    import inspect
    def call(function, row, owner=None):
        def action():
            values = dict(row)
            for name in inspect.signature(function).parameters:
                if name in values: continue
                maker = space.get(name)
                if getattr(maker, '_aha_fixture', False): values[name] = maker()
            function(**values)
        return action
    for name, value in list(space.items()):
        if name.startswith('test') and inspect.isfunction(value):
            for index, row in enumerate(getattr(value, '_aha_rows', [{}])):
                yield (name if len(getattr(value, '_aha_rows', [{}])) == 1 else name + '[%d]' % index), call(value, row)
        elif name.startswith('Test') and inspect.isclass(value):
            for inner, method in list(vars(value).items()):
                if inner.startswith('test') and inspect.isfunction(method):
                    for index, row in enumerate(getattr(method, '_aha_rows', [{}])):
                        yield name + '.' + inner, call(getattr(value(), inner), row)
_aha_main()
`;

/**
 * Answer and tests in one process, where an object of the answer may reach the tests. For tests that cannot be taken
 * apart, and only where the task's author allows it: such an answer can fool such a test.
 */
export const pythonSameProcess = String.raw`
def _aha_main():
    import json, sys
    job = json.loads(sys.stdin.read())
    marker, write, flush, dumps = job['marker'], sys.stdout.write, sys.stdout.flush, json.dumps
    space = {'__name__': '__main__'}
    results = []
    try:
        exec(compile(job['source'], 'answer.py', 'exec'), space)
        exec(compile(job['setup'], 'setup.py', 'exec'), space)
    except BaseException as error:
        results = [{'passed': False, 'message': type(error).__name__ + ': ' + str(error)[:300]} for _ in job['units']]
    else:
        for source in job['units']:
            try:
                exec(compile(source, 'tests.py', 'exec'), space)
                results.append({'passed': True})
            except BaseException as error:
                results.append({'passed': False, 'message': type(error).__name__ + ': ' + str(error)[:300]})
    write('\n' + marker + dumps({'results': results}) + '\n')
    flush()
_aha_main()
`;
