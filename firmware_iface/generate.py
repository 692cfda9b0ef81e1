"""Make codecs and documentation from a contract: ``python -m podhand.firmware_iface.generate`` writes them.

Written files are committed; a test compares them with what this module makes. Only ``main`` touches the disk.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from podhand.firmware_iface.eoat_board import EOAT_BOARD
from podhand.firmware_iface.framing import OVERHEAD
from podhand.firmware_iface.schema import Contract, Field, Kind, Message, Words

CONTRACTS: Final = (EOAT_BOARD,)
_CODES: Final = {Kind.U8: "B", Kind.U16: "H", Kind.U32: "I", Kind.I32: "i"}
_C_TYPES: Final = {Kind.U8: "uint8_t", Kind.U16: "uint16_t", Kind.U32: "uint32_t", Kind.I32: "int32_t"}
_BITS_PER_BYTE: Final = 10
"""Start bit, eight data bits, stop bit."""


def generated_files() -> dict[PurePosixPath, str]:
    """Return the text of every generated file by its path in the repository."""
    files: dict[PurePosixPath, str] = {}
    for contract in CONTRACTS:
        files[PurePosixPath(f"firmware_iface/{contract.name}_messages.py")] = _lines(_python(contract))
        files[PurePosixPath(f"firmware_iface/c/{contract.name}.h")] = _lines(_c_header(contract))
        files[PurePosixPath(f"firmware_iface/c/{contract.name}.c")] = _lines(_c_source(contract))
        files[PurePosixPath(f"docs/{contract.name.replace('_', '-')}-messages.md")] = _lines(_page(contract))
    return files


def main() -> int:
    """Write all generated files into the source tree that this module lies in."""
    root = Path(__file__).resolve().parents[1]
    for path, text in generated_files().items():
        (root / path).write_text(text, encoding="utf-8")
        print(path)
    return 0


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _range_text(field: Field) -> str:
    return f"{field.minimum} … {field.maximum}"


# Python ---------------------------------------------------------------------------------------------------------------


def _python(contract: Contract) -> Iterator[str]:
    yield f'"""{contract.title}: its messages. Generated from {contract.name}.py by generate.py; do not edit."""'
    yield ""
    yield "# fmt: off"
    yield "# ruff: noqa: E501"
    yield "from dataclasses import dataclass"
    yield "from enum import IntEnum, IntFlag"
    yield "from struct import Struct"
    yield "from typing import ClassVar, Final"
    yield ""
    yield "from podhand.firmware_iface.messages import Message, Rule"
    yield ""
    yield f"PROTOCOL_VERSION: Final = {contract.version}"
    yield f"SCHEMA_HASH: Final = 0x{contract.schema_hash():08X}"
    for constant in contract.constants:
        yield f"{constant.name}: Final = {constant.value}"
        yield f'"""[{constant.unit}] {constant.reason}."""'
    for words in contract.words:
        yield from _python_words(words)
    for message in contract.messages:
        yield from _python_message(message)
    yield ""
    yield ""
    yield "MESSAGES: Final[dict[int, type[Message]]] = {"
    for message in contract.messages:
        yield f"    {message.name}.ID: {message.name},"
    yield "}"


def _python_words(words: Words) -> Iterator[str]:
    yield ""
    yield ""
    yield f"class {words.name}({'IntFlag' if words.flags else 'IntEnum'}):"
    yield f'    """{words.doc}"""'
    yield ""
    for word in words.words:
        yield f"    {word.name} = {word.value}"
        yield f'    """{word.meaning}"""'


def _python_message(message: Message) -> Iterator[str]:
    yield ""
    yield ""
    yield "@dataclass(frozen=True, kw_only=True, slots=True)"
    yield f"class {message.name}(Message):"
    yield f'    """{message.doc}"""'
    yield ""
    layout = "".join(_CODES[field.kind] for field in message.fields)
    yield f"    ID: ClassVar[int] = 0x{message.id:02X}"
    yield f'    LAYOUT: ClassVar[Struct] = Struct("<{layout}")'
    yield "    RULES: ClassVar[tuple[Rule, ...]] = ("
    for field in message.fields:
        words = f", words={field.words.name}" if field.words else ""
        yield f'        Rule(name="{field.name}", least={field.minimum}, most={field.maximum}{words}),'
    yield "    )"
    yield ""
    for field in message.fields:
        yield f"    {field.name}: {field.words.name if field.words else 'int'}"
        unit = f"[{field.unit}] " if field.unit else ""
        allowed = f" {_range_text(field)}: {field.reason}." if field.least is not None else ""
        yield f'    """{unit}{field.doc}{allowed}"""'


# C --------------------------------------------------------------------------------------------------------------------


def _c_banner(contract: Contract) -> str:
    source = f"firmware_iface/{contract.name}.py"
    return f"/* {contract.title}: its messages.\n * Generated from {source} by generate.py; do not edit. */"


def _c_header(contract: Contract) -> Iterator[str]:
    p = contract.prefix
    guard = f"{contract.name.upper()}_H"
    yield "// clang-format off"
    yield _c_banner(contract)
    yield f'#ifndef {guard}\n#define {guard}\n\n#include "podhand_frame.h"\n'
    yield '#ifdef __cplusplus\nextern "C" {\n#endif\n'
    yield f"#define {p.upper()}_PROTOCOL_VERSION {contract.version}u"
    yield f"#define {p.upper()}_SCHEMA_HASH 0x{contract.schema_hash():08X}u"
    for constant in contract.constants:
        value = f"({constant.value})" if constant.value < 0 else str(constant.value)
        yield f"#define {p.upper()}_{constant.name} {value} /* {constant.unit}: {constant.reason} */"
    for words in contract.words:
        stem = f"{p}_{_snake(words.name)}".upper()
        yield f"\n/* {words.doc} */\nenum {{"
        for word in words.words:
            yield f"  {stem}_{word.name} = {word.value}, /* {word.meaning} */"
        yield "};"
    for message in contract.messages:
        yield f"\n/* {message.doc} */"
        yield f"enum {{ {_c_id(contract, message)} = 0x{message.id:02X} }};"
        yield "typedef struct {"
        for field in message.fields:
            unit = f"[{field.unit}] " if field.unit else ""
            allowed = f" {_range_text(field)}" if field.least is not None else ""
            yield f"  {_C_TYPES[field.kind]} {field.name}; /* {unit}{field.doc}{allowed} */"
        yield f"}} {p}_{_snake(message.name)};"
    yield "\ntypedef struct {\n  uint8_t id; /* which of the messages below */"
    yield "  uint16_t session; /* 0 outside a session */\n  uint16_t sequence;\n  union {"
    for message in contract.messages:
        yield f"    {p}_{_snake(message.name)} {_snake(message.name)};"
    yield f"  }} body;\n}} {p}_frame;\n"
    yield "/* Returns the bytes written to `wire`, with the closing delimiter; 0 when the message is unknown, a field"
    yield " * is out of range, or `capacity` is too small (PODHAND_MAX_WIRE always suffices). */"
    yield f"size_t {p}_encode(const {p}_frame* frame, uint8_t* wire, size_t capacity);\n"
    yield "/* Reads what stood between two delimiters. `*frame` is written only when PODHAND_TAKEN is returned. */"
    yield f"podhand_verdict {p}_decode(const uint8_t* block, size_t size, {p}_frame* frame);\n"
    yield "#ifdef __cplusplus\n}\n#endif\n\n#endif"


def _c_id(contract: Contract, message: Message) -> str:
    return f"{contract.prefix}_ID_{_snake(message.name)}".upper()


def _c_source(contract: Contract) -> Iterator[str]:
    p = contract.prefix
    yield "// clang-format off"
    yield _c_banner(contract)
    yield f'#include "{contract.name}.h"\n'
    for message in contract.messages:
        yield from _c_message(contract, message)
    yield f"size_t {p}_encode(const {p}_frame* frame, uint8_t* wire, size_t capacity) {{"
    yield "  uint8_t raw[PODHAND_MAX_RAW];\n  size_t size = PODHAND_HEADER;"
    yield "  raw[0] = frame->id;\n  podhand_put_u16(raw + 1, frame->session);"
    yield "  podhand_put_u16(raw + 3, frame->sequence);"
    yield "  switch (frame->id) {"
    for message in contract.messages:
        name = _snake(message.name)
        yield f"    case {_c_id(contract, message)}:"
        yield f"      if (!{name}_in_range(&frame->body.{name})) return 0;"
        yield f"      put_{name}(&frame->body.{name}, raw + PODHAND_HEADER);"
        yield f"      size += {message.size}u;\n      break;"
    yield "    default:\n      return 0;\n  }"
    yield "  return podhand_seal(raw, size, wire, capacity);\n}\n"
    yield f"podhand_verdict {p}_decode(const uint8_t* block, size_t size, {p}_frame* frame) {{"
    yield f"  uint8_t raw[PODHAND_MAX_RAW];\n  size_t raw_size = 0;\n  {p}_frame found;"
    yield "  const podhand_verdict opened = podhand_open(block, size, raw, &raw_size);"
    yield "  if (opened != PODHAND_TAKEN) return opened;\n  found.id = raw[0];"
    yield "  found.session = podhand_get_u16(raw + 1);\n  found.sequence = podhand_get_u16(raw + 3);"
    yield "  switch (found.id) {"
    for message in contract.messages:
        name = _snake(message.name)
        yield f"    case {_c_id(contract, message)}:"
        yield f"      if (raw_size != PODHAND_HEADER + {message.size}u) return PODHAND_LENGTH;"
        yield f"      get_{name}(raw + PODHAND_HEADER, &found.body.{name});"
        yield f"      if (!{name}_in_range(&found.body.{name})) return PODHAND_RANGE;\n      break;"
    yield "    default:\n      return PODHAND_UNKNOWN;\n  }\n  *frame = found;\n  return PODHAND_TAKEN;\n}"


def _c_message(contract: Contract, message: Message) -> Iterator[str]:
    name = _snake(message.name)
    kind = f"{contract.prefix}_{name}"
    checks = [check for field in message.fields for check in _c_checks(field)]
    yield f"static bool {name}_in_range(const {kind}* m) {{"
    yield f"  return {' && '.join(checks)};" if checks else "  (void)m;\n  return true;"
    yield "}\n"
    for verb, arguments in (("put", f"const {kind}* m, uint8_t* at"), ("get", f"const uint8_t* at, {kind}* m")):
        yield f"static void {verb}_{name}({arguments}) {{"
        offset = 0
        for field in message.fields:
            yield f"  {_c_move(verb, field, offset)}"
            offset += field.kind.bits // 8
        yield "}\n"


def _c_checks(field: Field) -> Iterator[str]:
    """Yield the conditions of a range, without those that the type makes true."""
    m = f"m->{field.name}"
    if field.words is not None and field.words.flags:
        yield f"({m} & 0x{0xFF & ~field.words.all_bits:02X}u) == 0"
    elif field.words is not None:
        values = sorted(word.value for word in field.words.words)
        if values == list(range(len(values))):
            yield f"{m} <= {values[-1]}u"
        else:
            yield "(" + " || ".join(f"{m} == {value}u" for value in values) + ")"
    else:
        suffix = "" if field.kind.signed else "u"
        if field.minimum > field.kind.least:
            yield f"{m} >= {field.minimum}{suffix}"
        if field.maximum < field.kind.most:
            yield f"{m} <= {field.maximum}{suffix}"


def _c_move(verb: str, field: Field, offset: int) -> str:
    if field.kind is Kind.U8:
        return f"at[{offset}] = m->{field.name};" if verb == "put" else f"m->{field.name} = at[{offset}];"
    if verb == "put":
        return f"podhand_put_{field.kind}(at + {offset}, m->{field.name});"
    return f"m->{field.name} = podhand_get_{field.kind}(at + {offset});"


# Documentation --------------------------------------------------------------------------------------------------------


def _page(contract: Contract) -> Iterator[str]:
    yield f"# {contract.title}: messages\n"
    yield f"Generated from `firmware_iface/{contract.name}.py`; do not edit. {contract.doc}\n"
    yield f"Protocol version {contract.version}, schema hash `0x{contract.schema_hash():08X}`.\n"
    yield "A frame is `message u8, session u16, sequence u16, payload, crc u16`, little endian, COBS-encoded and"
    yield "closed by a zero byte. The CRC is CRC-16/IBM-3740 over header and payload. Each end counts its own sequence,"
    yield "over all its messages.\n"
    yield "## Time on the line\n"
    yield "| message | from | id | bytes on the wire | on the line | period | share of the line |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    baud = next(constant.value for constant in contract.constants if constant.name == "BAUD")
    load = {True: 0.0, False: 0.0}
    for message in contract.messages:
        size = message.size + OVERHEAD
        line_ms = size * _BITS_PER_BYTE / baud * 1e3
        share = line_ms / message.period_ms if message.period_ms else 0.0
        load[message.from_board] += share
        yield (
            f"| [`{message.name}`](#{message.name.lower()}) | {_sender(message)} | `0x{message.id:02X}` | {size} "
            f"| {line_ms:.2f} ms | {f'{message.period_ms:g} ms' if message.period_ms else 'on event'} "
            f"| {f'{share:.1%}' if share else '–'} |"
        )
    yield f"\nAt {baud} baud, 8N1: {load[True]:.0%} of the line from the board, {load[False]:.0%} from the host.\n"
    yield "## Numbers both ends keep\n"
    yield "| name | value | reason |\n| --- | --- | --- |"
    for constant in contract.constants:
        yield f"| `{constant.name}` | {constant.value} {constant.unit} | {constant.reason} |"
    for message in contract.messages:
        yield from _page_message(message)
    for words in contract.words:
        yield f"\n## {words.name}\n\n{words.doc}\n"
        yield f"| {'bit' if words.flags else 'value'} | name | meaning |\n| --- | --- | --- |"
        for word in words.words:
            yield f"| {word.value} | `{word.name}` | {word.meaning} |"


def _page_message(message: Message) -> Iterator[str]:
    yield f"\n## {message.name}\n\nFrom the {_sender(message)}, id `0x{message.id:02X}`. {message.doc}\n"
    yield "| byte | field | type | unit | range | meaning |\n| --- | --- | --- | --- | --- | --- |"
    offset = 0
    for field in message.fields:
        kind = f"[`{field.words.name}`](#{field.words.name.lower()})" if field.words else field.kind.value
        allowed = f"{_range_text(field)} ({field.reason})" if field.least is not None else ""
        meaning = f"{field.doc[:-1]} ({field.reason})." if field.reason and not allowed else field.doc
        yield f"| {offset} | `{field.name}` | {kind} | {field.unit} | {allowed} | {meaning} |"
        offset += field.kind.bits // 8


def _sender(message: Message) -> str:
    return "board" if message.from_board else "host"


if __name__ == "__main__":
    sys.exit(main())
