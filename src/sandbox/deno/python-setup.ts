/**
 * Python that runs once in the interpreter, before its photograph is taken: loads what programs use often (`imports`,
 * which the snapshot for later processes contains), takes away Pyodide's ways to JavaScript, and leaves a function that
 * runs a program as `python main.py` would.
 */
export const pythonImports = String.raw`
def _load():
    for name in '''argparse array ast asyncio atexit base64 bisect builtins calendar cmath collections collections.abc
        contextlib copy csv dataclasses datetime decimal difflib doctest enum fractions functools gc glob hashlib heapq
        inspect io itertools json keyword linecache logging math numbers operator os os.path pathlib pickle platform
        pprint queue random re secrets shutil signal socket statistics string struct subprocess sys tempfile textwrap
        threading time timeit traceback types typing unicodedata unittest unittest.mock uuid warnings weakref
        zlib'''.split():
        try:
            __import__(name)
        except ImportError:
            pass

_load()
del _load
`;

export const pythonSetup = String.raw`
import sys

def _make():
    import asyncio, atexit, gc, importlib, json, linecache, os, random, time, traceback, types

    class Selector:
        """There is nothing to wait for but time."""
        def select(self, timeout):
            if timeout:
                time.sleep(timeout)
            return []
        def close(self):
            pass

    class Loop(asyncio.BaseEventLoop):
        def __init__(self):
            super().__init__()
            self._selector = Selector()
        def _process_events(self, events):
            pass
        def _write_to_self(self):
            pass

    # Pyodide's own version asks JavaScript to wait.
    saved = sys.modules.pop('time')
    time.sleep = importlib.import_module('time').sleep
    sys.modules['time'] = saved

    asyncio.events.set_event_loop(None)
    asyncio.events._set_running_loop(None)
    try:
        asyncio.events._set_event_loop_policy(None)
    except AttributeError:
        asyncio.events._event_loop_policy = None
    importlib.reload(asyncio.runners)
    asyncio.run, asyncio.Runner = asyncio.runners.run, asyncio.runners.Runner
    asyncio.SelectorEventLoop = asyncio.DefaultEventLoop = asyncio.EventLoop = Loop
    policy = type('Policy', (asyncio.events._BaseDefaultEventLoopPolicy,), {'_loop_factory': Loop})
    asyncio.events._event_loop_policy = policy()

    folder = '/program'
    os.makedirs(folder, exist_ok=True)

    def finish(status):
        try:
            atexit._run_exitfuncs()
        except BaseException:
            pass
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:
                pass
        os._exit(status)

    def run():
        os.chdir(folder)
        with open(folder + '/.aha.json') as file:
            job = json.load(file)
        os.unlink(folder + '/.aha.json')
        entry = job['entry']
        path = folder + '/' + entry
        sys.argv[:] = [entry, *job['arguments']]
        sys.path[0:0] = [os.path.dirname(path)]
        sys.modules.pop('_aha_program', None)
        random.seed()
        main = types.ModuleType('__main__')
        main.__dict__.update(__file__=path, __builtins__=__builtins__, __cached__=None)
        sys.modules['__main__'] = main
        status = 0
        try:
            with open(path, 'rb') as file:
                source = file.read()
            exec(compile(source, path, 'exec', dont_inherit=True), main.__dict__)
        except SystemExit as error:
            code = error.code
            if code is None:
                status = 0
            elif isinstance(code, int):
                status = code & 0xff
            else:
                print(code, file=sys.stderr)
                status = 1
        except BaseException as error:
            status = 1
            # The first frame is ours.
            trace = error.__traceback__
            if trace is not None:
                trace = trace.tb_next
            sys.excepthook(type(error), error.with_traceback(trace), trace)
        finish(status)

    module = types.ModuleType('_aha_program')
    module.run = run
    sys.modules['_aha_program'] = module

    for name in list(sys.modules):
        if name.split('.')[0] in ('js', 'pyodide', 'pyodide_js', '_pyodide', '_pyodide_core'):
            del sys.modules[name]
    sys.meta_path[:] = [one for one in sys.meta_path if not type(one).__module__.startswith(('_pyodide', 'pyodide'))]
    sys.path_hooks[:] = [one for one in sys.path_hooks if not getattr(one, '__module__', '').startswith(('_pyodide', 'pyodide'))]
    sys.path[:] = [one for one in sys.path if one.endswith('.zip') or '/lib/python' in one]
    sys.path_importer_cache.clear()
    sys.excepthook = sys.__excepthook__
    sys.flags
    gc.collect()

_make()
del _make
`;
