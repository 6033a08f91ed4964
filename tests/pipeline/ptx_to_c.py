"""PTX of a kernel -> C that runs it on the processor, one thread to the next barrier.

Each thread of a block is a struct with its registers, and the kernel a function that runs
it from one barrier to the next; `checked_kernel.h` has the memory and the order of threads.
Instructions that the kernels do not use are unknown here, and an error.

Source: NVIDIA, "Parallel Thread Execution ISA".
"""

import re
from typing import NamedTuple

TYPES = {
    "pred": "uint8_t",
    **{f"{k}{bits}": f"uint{bits}_t" for k in "bu" for bits in (8, 16, 32, 64)},
    **{f"s{bits}": f"int{bits}_t" for bits in (8, 16, 32, 64)},
    "f32": "float",
    "f64": "double",
}
BYTES = {"8": 1, "16": 2, "32": 4, "64": 8}

SPECIAL = {
    **{f"%tid.{a}": f"t->{a}" for a in "xy"},
    **{f"%ctaid.{a}": f"block->at.{a}" for a in "xyz"},
    **{f"%nctaid.{a}": f"block->grid.{a}" for a in "xyz"},
    **{f"%ntid.{a}": f"block->threads.{a}" for a in "xyz"},
}

BINARY = dict(
    zip(
        ("add", "sub", "mul", "div", "and", "or", "xor", "shl", "shr"),
        ("+", "-", "*", "/", "&", "|", "^", "<<", ">>"),
        strict=True,
    )
)
COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
UNORDERED = {"equ": "!=", "neu": "==", "ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<"}
"""True also where a value is not a number: the opposite of the opposite."""


class Kernel(NamedTuple):
    """C of one kernel; its function is `run_kernel` of `checked_kernel.h`."""

    source: str
    barriers: int


def translate(text: str) -> Kernel:
    """Translate the PTX of one kernel.

    Raises:
        ValueError: it has an instruction or operand that is not known here.
    """
    return _Translation(text).kernel()


class _Translation:
    def __init__(self, text: str) -> None:
        name = re.search(r"\.entry\s+([\w$]+)", text)
        assert name
        self._name = name[1]
        head, _, body = text.partition("\n{\n")
        self._first_line = head.count("\n") + 2
        self._body = body.splitlines()
        self._parameters = re.findall(r"\.param [^,)]*?(\w+_param_\d+)", head)
        self._shared: dict[str, int] = {}
        self._static_bytes = 0
        shared = re.findall(r"\.shared \.align \d+ \.b8 (\w+)\[(\d*)\]", head)
        for symbol, size in sorted(shared, key=lambda it: not it[1]):  # dynamic: last
            self._shared[symbol] = self._static_bytes
            self._static_bytes += -(-int(size or 0) // 16) * 16
        self._fields: list[str] = []
        self._lines: list[str] = []
        self._barriers = 0
        self._scope = ""
        self._scoped: set[str] = set()
        self._scopes = 0

    def kernel(self) -> Kernel:
        for number, line in enumerate(self._body, self._first_line):
            if line == "}":
                break
            for text in re.split(r"(?<=[;{}])", line.split("//")[0]):
                if text.strip():
                    self._statement(" ".join(text.split()).rstrip(" ;"), number)
        source = [
            "#include <stdint.h>",
            f'#define KERNEL "{self._name}"',
            "typedef struct Thread {",
            "int barrier, done; unsigned x, y, vote;",
            *self._fields,
            "} Thread;",
            f"enum {{ STATIC_BYTES = {self._static_bytes} }};",
            '#include "checked_kernel.h"',
            "static void to_next_barrier(Block *block, Thread *t)",
            "{",
            "switch (t->barrier) { case 0: ;",
            *self._lines,
            "}",
            "t->done = 1;",
            "}",
        ]
        return Kernel("\n".join(source) + "\n", self._barriers)

    def _statement(self, text: str, line: int) -> None:
        if text == "{":
            self._scopes += 1
            self._scope, self._scoped = f"_{self._scopes}", set()
        elif text == "}":
            self._scope, self._scoped = "", set()
        elif text.startswith(".reg"):
            _, kind, registers = text.split()
            name, _, count = registers.strip("%>").partition("<")
            if self._scope:
                self._scoped.add(name)
            size = f"[{count}]" if count else ""
            kind = {"f": ".f32", "fd": ".f64"}.get(name, kind)  # .b32, in some versions
            self._fields.append(f"{TYPES[kind[1:]]} {name}{self._scope}{size};")
        elif text.endswith(":"):
            self._lines.append(f"{_label(text[:-1])}: ;")
        elif not text.startswith(".pragma"):
            guard, instruction = re.fullmatch(r"(?:@(\S+) )?(.*)", text).groups()  # type: ignore[union-attr]
            try:
                c = self._instruction(instruction, line)
            except (KeyError, IndexError):
                raise ValueError(f"{self._name}, line {line}: {text}") from None
            if guard:
                sign, register = re.fullmatch(r"(!?)(%\w+)", guard).groups()  # type: ignore[union-attr]
                c = f"if ({sign}{self._value(register, 'pred')}) {{ {c} }}"
            self._lines.append(c)

    def _instruction(self, text: str, line: int) -> str:
        name, _, rest = text.partition(" ")
        operands = re.findall(r"\[[^]]*\]|\{[^}]*\}|[^,\s]+", rest)
        operation, *options = name.split(".")
        kind = options[-1] if options else ""
        if operation == "bra":
            return f"goto {_label(operands[0])};"
        if operation == "ret":
            return "{ t->done = 1; return; }"
        if operation == "bar":
            return self._barrier(name, operands)
        if operation in ("ld", "st") and options[0] != "param":
            return self._access(operation, options, operands, line)
        target = self._register(operands[0])
        if operation == "setp":
            a, b = (self._value(it, kind, ftz="ftz" in options) for it in operands[1:])
            if options[0] in UNORDERED:
                return f"{target} = !({a} {UNORDERED[options[0]]} {b});"
            return f"{target} = {a} {COMPARED[options[0]]} {b};"
        return f"{target} = {self._expression(operation, options, operands[1:])};"

    def _barrier(self, name: str, operands: list[str]) -> str:
        self._barriers += 1
        stop = f"t->barrier = {self._barriers}; return; case {self._barriers}: ;"
        if name == "bar.sync":
            return stop
        if name != "bar.red.popc.u32":
            raise KeyError(name)
        vote = self._value(operands[2], "pred")
        return f"t->vote = {vote}; {stop} {self._register(operands[0])} = block->votes;"

    def _access(
        self, operation: str, options: list[str], operands: list[str], line: int
    ) -> str:
        """Loads and stores, of one value or of a vector of them."""
        space, kind = options[0], options[-1]
        if space not in ("global", "shared"):
            raise KeyError(space)
        place, value = operands if operation == "st" else operands[::-1]
        base, _, offset = place.strip("[]").partition("+")
        values = value.strip("{} ").replace(",", " ").split()
        size = BYTES[re.sub(r"\D", "", kind)]
        statements = []
        for k, each in enumerate(values):
            address = f"{self._value(base, 'u64')} + ({offset or 0}) + {k * size}"
            whole = size * len(values) if k == 0 else size
            write = int(operation == "st")
            reached = f"*({TYPES[kind]} *){space}(block, t, {address}, {size}, {whole}, {write}, {line})"
            if write:
                statements.append(f"{reached} = {self._value(each, kind)};")
            else:
                statements.append(f"{self._register(each)} = {reached};")
        return " ".join(statements)

    def _expression(
        self, operation: str, options: list[str], operands: list[str]
    ) -> str:
        """The value of an instruction without side effects."""
        kind, ftz = options[-1], "ftz" in options
        if operation == "ld":
            number = self._parameters.index(operands[0].strip("[]"))
            return f"*({TYPES[kind]} *)&block->arguments[{number}]"
        if operation == "cvt":
            return self._conversion(options, operands[0])
        if operation == "selp":
            a, b = (self._value(it, kind) for it in operands[:2])
            return f"{self._value(operands[2], 'pred')} ? {a} : {b}"
        given = kind
        if "wide" in options:
            kind = kind[0] + str(2 * int(kind[1:]))
        values = [self._value(it, given, ftz=ftz) for it in operands]
        if operation in ("mov", "cvta"):
            return values[0]
        if operation in ("mul", "mad") and "wide" in options:
            values = [f"({TYPES[kind]}){it}" for it in values[:2]] + values[2:]
        if operation in ("mul", "mad") and "hi" in options:
            if (operation, kind) != ("mul", "u64"):
                raise KeyError("hi")
            a, b = values
            return f"({TYPES[kind]})((unsigned __int128){a} * {b} >> 64)"
        if operation == "neg":
            value = f"-{values[0]}"
        elif operation == "not":
            value = f"{'!' if kind == 'pred' else '~'}{values[0]}"
        elif operation in ("abs", "sqrt"):
            value = f"{'fabsf' if operation == 'abs' else 'sqrtf'}({values[0]})"
        elif operation in ("min", "max"):
            a, b = values
            sign = "<" if operation == "min" else ">"
            whole = f"{a} {sign} {b} ? {a} : {b}"
            value = f"f{operation}f({a}, {b})" if kind == "f32" else whole
        elif operation in ("fma", "mad"):
            a, b, c = values
            value = f"fmaf({a}, {b}, {c})" if kind == "f32" else f"{a} * {b} + {c}"
        else:
            value = f"{values[0]} {BINARY[operation]} {values[1]}"
        return f"flushed({value})" if ftz else value

    def _conversion(self, options: list[str], operand: str) -> str:
        *modes, to, given = options
        value = self._value(operand, given, ftz="ftz" in modes)
        rounding = {"rni": "rint", "rmi": "floor"}
        for mode in modes:
            if mode in rounding:
                value = f"{rounding[mode]}({value})"
            elif mode not in ("rn", "rzi", "ftz"):
                raise KeyError(mode)
        return f"({TYPES[to]})({value})"

    def _register(self, text: str) -> str:
        name, number = re.fullmatch(r"%([a-z]+)(\d+)", text).groups()  # type: ignore[union-attr]
        if name + number in self._scoped:
            return f"t->{name}{number}{self._scope}"
        return f"t->{name}[{number}]"

    def _value(self, text: str, kind: str, *, ftz: bool = False) -> str:
        if text in SPECIAL:
            return SPECIAL[text]
        if text in self._shared:
            return f"{self._shared[text]}ull"
        if text == "%dynamic_smem_size":
            return "block->dynamic_bytes"
        if re.fullmatch(r"0f[0-9A-Fa-f]{8}", text):
            return f"as_float(0x{text[2:]}u)"
        if re.fullmatch(r"-?\d+", text):
            return f"(({TYPES[kind]}){int(text) % 2**64}ull)"
        value = self._register(text)
        if kind in ("f32", "f64"):
            return f"flushed({value})" if ftz else value
        return f"(({TYPES[kind]}){value})"


def _label(text: str) -> str:
    return text.replace("$", "label")
