/**
 * Python's side of `plain-value.ts`: data to text by exact type, with functions taken before any other code ran. An
 * object of a class of one's own is never asked anything: not its `__eq__`, not its `__repr__`, not its `__class__`.
 */
export const pythonCodec = String.raw`
def _aha_codec():
    import collections, json
    _type, _str, _repr, _len, _dumps = type, str, repr, len, json.dumps
    _list_iter, _tuple_iter, _dict_items = list.__iter__, tuple.__iter__, dict.items
    _set_iter, _frozen_iter, _name = set.__iter__, frozenset.__iter__, type.__dict__['__name__'].__get__
    _int_str, _float_repr = int.__repr__, float.__repr__
    _dicts = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
    _deque, _deque_iter = collections.deque, collections.deque.__iter__
    _views = (type({}.keys()), type({}.values()), type({}.items()))

    def encode(value, depth=0, budget=None):
        if budget is None: budget = [1000000]
        budget[0] -= 1
        if depth > 150 or budget[0] < 0: return {'o': 'too much'}
        kind = _type(value)
        if value is None or value is True or value is False or kind is _str: 
            return value
        if kind is int:
            try: return {'i': _int_str(value)}
            except ValueError: return {'o': 'huge int'}
        if kind is float: return {'f': _float_repr(value)}
        if kind is list: return [encode(x, depth + 1, budget) for x in _list_iter(value)]
        if kind is tuple: return {'t': [encode(x, depth + 1, budget) for x in _tuple_iter(value)]}
        if kind in _dicts:
            return {'d': [[encode(k, depth + 1, budget), encode(v, depth + 1, budget)] for k, v in _dict_items(value)]}
        if kind is set: return {'S': [encode(x, depth + 1, budget) for x in _set_iter(value)]}
        if kind is frozenset: return {'S': [encode(x, depth + 1, budget) for x in _frozen_iter(value)]}
        if kind is bytes or kind is bytearray: return {'b': bytes(value).hex()}
        if kind is complex: return {'c': [_float_repr(value.real), _float_repr(value.imag)]}
        return {'o': _str(_name(kind))}

    class Opaque:
        def __init__(self, name): self.name = name
        def __eq__(self, other): return False
        def __hash__(self): return 0
        def __repr__(self): return '<' + self.name + '>'

    def decode(value):
        if value is None or value is True or value is False or type(value) is str: return value
        if type(value) is list: return [decode(x) for x in value]
        (key, held), = value.items()
        if key == 'i': return int(held)
        if key == 'f': return float(held)
        if key == 't': return tuple(decode(x) for x in held)
        if key == 'd': return {decode(k): decode(v) for k, v in held}
        if key == 'S': return set(decode(x) for x in held)
        if key == 'b': return bytes.fromhex(held)
        if key == 'c': return complex(float(held[0]), float(held[1]))
        return Opaque(held)

    return encode, decode, _dumps, Opaque
`;
