#!/usr/bin/env python3
"""Turns schema/*.schema into C++: one header and one source per API, header or stored record.

    generate_wire.py --schema schema --output build/generated/wire

Also writes api_key.h, api_table_rows.cc and error_code.{h,cc}, and, for tests and fuzzers,
all_messages.cc. Files whose content does not change keep their time stamp.
"""

import argparse
import pathlib

import wire_schema as schema
from wire_schema import snake_case

NOTICE = "// Generated from schema/{source} by tools/generate_wire.py. Do not edit.\n"

# type: (C++ type, name in MessageReader/MessageWriter, fixed size or None, default)
TYPES = {
    "bool": ("bool", "bool", 1, "false"),
    "int8": ("int8_t", "int8", 1, "0"),
    "int16": ("int16_t", "int16", 2, "0"),
    "int32": ("int32_t", "int32", 4, "0"),
    "int64": ("int64_t", "int64", 8, "0"),
    "error_code": ("ErrorCode", "error_code", 2, "ErrorCode::kNone"),
    "uuid": ("Uuid", "uuid", 16, ""),
    "string": ("std::string", "string", None, ""),
    "bytes": ("Buffer", "bytes", None, ""),
    "records": ("Buffer", "bytes", None, ""),
}


def constant(upper_name):
    """UNKNOWN_TOPIC_ID or FindCoordinator to a constant's name."""
    words = upper_name.split("_") if "_" in upper_name or upper_name.isupper() else [upper_name]
    if len(words) == 1 and not upper_name.isupper():
        return "k" + upper_name
    return "k" + "".join(word.capitalize() for word in words)


def is_chain(field, message):
    """Records in answers are gathered from several buffers; everywhere else they are one slice."""
    return field.type == "records" and message.kind == "response"


def element_type(field, message):
    if field.is_struct:
        return field.type
    return "BufferChain" if is_chain(field, message) else TYPES[field.type][0]


def cpp_type(field, message):
    text = element_type(field, message)
    if field.array:
        text = f"std::vector<{text}>"
    return f"std::optional<{text}>" if field.nullable else text


def cpp_default(field, message):
    """Text after the member's name: an initialiser or nothing."""
    if field.default == "empty":
        return f" = {element_type(field, message)}()"
    if field.default is not None:
        value = field.default
        value = "INT32_MIN" if value == "-2147483648" else value
        value = "INT64_MAX" if value == "9223372036854775807" else value
        return f" = {value}"
    if field.array or field.nullable or field.is_struct or not TYPES[field.type][3]:
        return ""
    return f" = {TYPES[field.type][3]}"


def versions_condition(versions, within, subject):
    """C++ condition that is true in `versions`, given that `within` holds; None if always true."""
    parts = []
    if versions.low > within.low:
        parts.append(f"{subject} >= {versions.low}")
    if versions.high < within.high:
        parts.append(f"{subject} <= {versions.high}")
    return " && ".join(parts) or None


def nullable_argument(field, subject):
    if not field.nullable:
        return ""
    return ", " + (versions_condition(field.nullable, field.versions, subject) or "true")


def structs_of(fields):
    """Nested structures, innermost first, each with the field that uses it."""
    for field in fields:
        if field.is_struct:
            yield from structs_of(field.fields)
            yield field


def minimum_size(field, version, flexible):
    """Fewest bytes the field takes on the wire in this version."""
    if version not in field.versions or field.tag is not None:
        return 0
    if field.array or field.type in ("bytes", "records"):
        return 1 if flexible else 4
    if field.type == "string":
        return 1 if flexible else 2
    if field.is_struct:
        return 1 if field.nullable else struct_minimum(field, version, flexible)
    return TYPES[field.type][2]


def struct_minimum(field, version, flexible):
    total = sum(minimum_size(child, version, flexible) for child in field.fields)
    return total + (1 if flexible else 0)


def element_minimum(field, message):
    """Fewest bytes one element of a structure array takes in any version."""
    sizes = [struct_minimum(field, version, bool(message.flexible and version in message.flexible))
             for version in field.versions]
    return max(1, min(sizes))


class Lines:
    """Collects lines of C++ with indentation."""

    def __init__(self):
        self.lines = []
        self.depth = 0

    def add(self, text=""):
        self.lines.append("  " * self.depth + text if text else "")

    def open(self, text):
        self.add(text + " {")
        self.depth += 1

    def close(self, text="}"):
        self.depth -= 1
        self.add(text)

    def text(self):
        return "\n".join(self.lines) + "\n"


def wrap_comment(out, text):
    words, line = text.split(), "//"
    for word in words:
        if len(line) + 1 + len(word) + 2 * out.depth > 100:
            out.add(line)
            line = "//"
        line += " " + word
    if words:
        out.add(line)


# --- headers -------------------------------------------------------------------------------------


def emit_members(out, fields, message, within):
    for field in fields:
        versions = ""
        if field.versions != within:
            low, high = field.versions.low, field.versions.high
            versions = f"[{low}+] " if high == within.high else f"[{low}-{high}] "
        wrap_comment(out, versions + field.about)
        out.add(f"{cpp_type(field, message)} {snake_case(field.name)}"
                f"{cpp_default(field, message)};")


def emit_struct(out, message):
    out.open(f"struct {message.name}")
    if message.api:
        out.add(f"static constexpr ApiKey kApi = ApiKey::k{message.api.name};")
    out.add(f"static constexpr int kLowestVersion = {message.versions.low};")
    out.add(f"static constexpr int kHighestVersion = {message.versions.high};")
    out.add()
    for nested in structs_of(message.fields):
        out.open(f"struct {nested.type}")
        emit_members(out, nested.fields, message, message.versions)
        out.add(f"bool operator==(const {nested.type}&) const = default;")
        out.close("};")
        out.add()
    emit_members(out, message.fields, message, message.versions)
    out.add()
    out.add(f"bool operator==(const {message.name}&) const = default;")
    out.close("};")
    out.add()
    out.add(f"void encode(ByteWriter& out, const {message.name}& value, int version);")
    out.add(f"bool decode(ByteReader& in, {message.name}& value, int version);")
    out.add(f"const char* lost_field(const {message.name}& value, int version);")
    out.add()


def header(file):
    out = Lines()
    out.add(NOTICE.format(source=file.path.name).strip())
    out.add("//")
    wrap_comment(out, file.about)
    out.add("//")
    out.add("// What encode, decode and lost_field promise is written in wire/codec.h.")
    out.add("#pragma once")
    out.add()
    for name in ("cstdint", "optional", "string", "vector"):
        out.add(f"#include <{name}>")
    out.add()
    for name in ("base/buffer.h", "base/uuid.h", "wire/api_key.h", "wire/codec.h",
                 "wire/error_code.h"):
        out.add(f'#include "{name}"')
    out.add()
    out.open("namespace magpie::wire")
    out.depth -= 1
    out.add()
    for message in file.messages:
        emit_struct(out, message)
    out.add("}  // namespace magpie::wire")
    return out.text()


# --- decoding ------------------------------------------------------------------------------------


def emit_read_value(out, field, message):
    """Reads one field whose presence is already established."""
    member = f"value.{snake_case(field.name)}"
    nullable = nullable_argument(field, "in.version()")
    if field.array and field.is_struct:
        minimum = element_minimum(field, message)
        if field.nullable:
            out.add(f"const auto count = in.read_array_length({minimum}{nullable});")
            out.add(f"{member}.reset();")
            out.open("if (count.has_value())")
            out.add(f"for (auto& element : {member}.emplace(*count)) read(in, element);")
            out.close()
        else:
            out.add(f"{member}.resize(in.read_array_length({minimum}));")
            out.add(f"for (auto& element : {member}) read(in, element);")
    elif field.array:
        out.add(f"in.read_array({member}{nullable});")
    elif field.is_struct and field.nullable:
        out.add(f"{member}.reset();")
        out.add(f"if (in.read_struct_present({nullable[2:]})) read(in, {member}.emplace());")
    elif field.is_struct:
        out.add(f"read(in, {member});")
    elif TYPES[field.type][2] is None:
        verb = "read_classic_string" if field.classic else f"read_{TYPES[field.type][1]}"
        out.add(f"in.{verb}({member}{nullable});")
    else:
        out.add(f"{member} = in.read_{TYPES[field.type][1]}();")


def emit_guarded(out, condition, body, scope=False):
    """`body()` inside an if when there is a condition; in a plain block when it needs a scope."""
    if condition:
        out.open(f"if ({condition})")
    elif scope:
        out.add("{")
        out.depth += 1
    body()
    if condition or scope:
        out.close()


def emit_read(out, type_name, fields, message, within):
    out.open(f"void read(MessageReader& in, {type_name}& value)")
    for field in (field for field in fields if field.tag is None):
        scope = field.array and field.is_struct and field.nullable is not None
        emit_guarded(out, versions_condition(field.versions, within, "in.version()"),
                     lambda field=field: emit_read_value(out, field, message), scope)
    tagged = [field for field in fields if field.tag is not None]
    if tagged:
        emit_read_tagged(out, tagged, message, within)
    elif message.flexible:
        out.add("in.skip_tagged_fields();")
    out.close()
    out.add()


def emit_read_tagged(out, fields, message, within):
    out.open("for (TaggedFields tagged(in); tagged.next();)")
    keyword = "if"
    for field in fields:
        condition = f"tagged.tag() == {field.tag}"
        versions = versions_condition(field.versions, within, "in.version()")
        condition += f" && {versions}" if versions else ""
        out.open(f"{keyword} ({condition})")
        emit_read_value(out, field, message)
        out.depth -= 1
        keyword = "} else if"
    out.open("} else")
    out.add("tagged.skip();")
    out.close()
    out.close()


# --- encoding ------------------------------------------------------------------------------------


def emit_write_value(out, field, writer="out"):
    member = f"value.{snake_case(field.name)}"
    nullable = nullable_argument(field, f"{writer}.version()")
    if field.array and field.is_struct and field.nullable:
        out.open(f"if ({member}.has_value())")
        out.add(f"{writer}.write_array_length({member}->size());")
        out.add(f"for (const auto& element : *{member}) write({writer}, element);")
        out.depth -= 1
        out.open("} else")
        out.add(f"{writer}.write_null_array({nullable[2:]});")
        out.close()
    elif field.array and field.is_struct:
        out.add(f"{writer}.write_array_length({member}.size());")
        out.add(f"for (const auto& element : {member}) write({writer}, element);")
    elif field.array:
        out.add(f"{writer}.write_array({member}{nullable});")
    elif field.is_struct and field.nullable:
        out.add(f"{writer}.write_struct_present({member}.has_value());")
        out.add(f"if ({member}.has_value()) write({writer}, *{member});")
    elif field.is_struct:
        out.add(f"write({writer}, {member});")
    else:
        verb = "write_classic_string" if field.classic else f"write_{TYPES[field.type][1]}"
        out.add(f"{writer}.{verb}({member}{nullable});")


def differs_from_default(field, message):
    """C++ condition: the member is not at its default."""
    member = f"value.{snake_case(field.name)}"
    if field.nullable:
        return f"{member}.has_value()"
    if field.array or field.type in ("string", "bytes", "records"):
        return f"!{member}.empty()"
    if field.type == "uuid":
        return f"!{member}.is_zero()"
    if field.is_struct:
        return f"{member} != {cpp_scope(field, message)}()"
    default = cpp_default(field, message)[3:]
    return {"false": member, "true": f"!{member}"}.get(default, f"{member} != {default}")


def cpp_scope(field, message):
    return f"{message.name}::{field.type}"


def emit_write(out, type_name, fields, message, within):
    out.open(f"void write(MessageWriter& out, const {type_name}& value)")
    for field in (field for field in fields if field.tag is None):
        emit_guarded(out, versions_condition(field.versions, within, "out.version()"),
                     lambda field=field: emit_write_value(out, field))
    tagged = sorted((field for field in fields if field.tag is not None), key=lambda f: f.tag)
    if tagged:
        emit_write_tagged(out, tagged, message, within)
    elif message.flexible:
        out.add("out.write_tagged_count(0);")
    out.close()
    out.add()


def emit_write_tagged(out, fields, message, within):
    flags = []
    for field in fields:
        flag = f"has_{snake_case(field.name)}"
        versions = versions_condition(field.versions, within, "out.version()")
        condition = (f"{versions} && " if versions else "") + differs_from_default(field, message)
        out.add(f"const bool {flag} = {condition};")
        flags.append(flag)
    out.add(f"out.write_tagged_count({' + '.join(f'({flag} ? 1 : 0)' for flag in flags)});")
    for field, flag in zip(fields, flags):
        out.open(f"if ({flag})")
        out.add("ByteWriter content;")
        out.add("MessageWriter inner(content, out.version(), out.flexible());")
        emit_write_value(out, field, "inner")
        out.add(f"out.write_tagged_field({field.tag}, content);")
        out.close()


# --- what a version cannot say -------------------------------------------------------------------


def can_lose(field, within):
    """True if some version lacks the field or one below it, and that matters."""
    if field.versions != within and not field.ignorable:
        return True
    return any(can_lose(child, field.versions) for child in field.fields)


def emit_lost(out, type_name, fields, message, within):
    relevant = [field for field in fields if can_lose(field, within)]
    unused = "" if relevant else "[[maybe_unused]] "
    out.open(f"const char* lost({unused}const {type_name}& value, {unused}int version)")
    for field in relevant:
        member = f"value.{snake_case(field.name)}"
        if field.versions != within and not field.ignorable:
            present = versions_condition(field.versions, within, "version")
            out.open(f"if (!({present}) && {differs_from_default(field, message)})")
            out.add(f'return "{field.name}";')
            out.close()
        if any(can_lose(child, field.versions) for child in field.fields):
            emit_lost_below(out, field, member)
    out.add("return nullptr;")
    out.close()
    out.add()


def emit_lost_below(out, field, member):
    if field.array:
        source = f"{member}" if not field.nullable else f"*{member}"
        if field.nullable:
            out.open(f"if ({member}.has_value())")
        out.open(f"for (const auto& element : {source})")
        out.add("if (const char* name = lost(element, version)) return name;")
        out.close()
        if field.nullable:
            out.close()
    elif field.nullable:
        out.open(f"if ({member}.has_value())")
        out.add(f"if (const char* name = lost(*{member}, version)) return name;")
        out.close()
    else:
        out.add(f"if (const char* name = lost({member}, version)) return name;")


# --- sources -------------------------------------------------------------------------------------


def flexible_condition(message):
    if message.flexible is None:
        return "false"
    if message.flexible == message.versions:
        return "true"
    return f"version >= {message.flexible.low}"


def emit_codec(out, message):
    out.open("namespace")
    out.depth -= 1
    out.add()
    parts = [(f"{message.name}::{field.type}", field.fields, field.versions)
             for field in structs_of(message.fields)]
    parts.append((message.name, message.fields, message.versions))
    for name, fields, within in parts:
        emit_read(out, name, fields, message, within)
        emit_write(out, name, fields, message, within)
    loses = [part for part in parts if any(can_lose(field, part[2]) for field in part[1])]
    for name, fields, within in loses:
        emit_lost(out, name, fields, message, within)
    out.add("}  // namespace")
    out.add()
    check = (f"CHECK(version >= {message.name}::kLowestVersion && "
             f"version <= {message.name}::kHighestVersion);")
    out.open(f"void encode(ByteWriter& out, const {message.name}& value, int version)")
    out.add(check)
    out.add(f"MessageWriter writer(out, version, {flexible_condition(message)});")
    out.add("write(writer, value);")
    out.close()
    out.add()
    out.open(f"bool decode(ByteReader& in, {message.name}& value, int version)")
    out.add(check)
    out.add(f"value = {message.name}();")
    out.add(f"MessageReader reader(in, version, {flexible_condition(message)});")
    out.add("read(reader, value);")
    out.add("return in.ok();")
    out.close()
    out.add()
    has_loss = any(can_lose(field, message.versions) for field in message.fields)
    unused = "" if has_loss else "[[maybe_unused]] "
    out.open(f"const char* lost_field({unused}const {message.name}& value, "
             f"{unused}int version)")
    out.add("return lost(value, version);" if has_loss else "return nullptr;")
    out.close()
    out.add()


def source(file):
    out = Lines()
    out.add(NOTICE.format(source=file.path.name).strip())
    out.add(f'#include "wire/{file.path.stem}.h"')
    out.add()
    for name in ("base/byte_reader.h", "base/byte_writer.h", "base/check.h",
                 "wire/message_reader.h", "wire/message_writer.h"):
        out.add(f'#include "{name}"')
    out.add()
    out.add("namespace magpie::wire {")
    for message in file.messages:
        emit_codec(out, message)
    out.add("}  // namespace magpie::wire")
    return out.text()


# --- tables --------------------------------------------------------------------------------------


def api_key_header(files):
    apis = sorted((file.api for file in files if file.api), key=lambda api: api.key)
    out = Lines()
    out.add(NOTICE.format(source="*.schema").strip())
    out.add("//")
    out.add("// Kafka's API keys, as far as Magpie describes their messages.")
    out.add("#pragma once")
    out.add()
    out.add("#include <cstdint>")
    out.add()
    out.add("namespace magpie::wire {")
    out.add()
    out.open("enum class ApiKey : int16_t")
    for api in apis:
        out.add(f"k{api.name} = {api.key},")
    out.close("};")
    out.add()
    out.add("}  // namespace magpie::wire")
    return out.text()


def api_table_source(files):
    apis = sorted((file.api for file in files if file.api), key=lambda api: api.key)
    out = Lines()
    out.add(NOTICE.format(source="*.schema").strip())
    out.add('#include "wire/api_table.h"')
    out.add()
    out.add("namespace magpie::wire {")
    out.add("namespace {")
    out.add()
    out.add("// Sorted by key. Versions: described, advertised, served; 1 to 0 is an empty range.")
    out.open("constexpr ApiInfo kApis[] =")
    for api in apis:
        ranges = ", ".join(f"{{{r.low}, {r.high}}}" if r else "{1, 0}"
                           for r in (api.versions, api.advertised, api.served))
        flexible = api.flexible.low if api.flexible else "kNeverFlexible"
        out.add(f'{{ApiKey::k{api.name}, "{api.name}", {ranges}, {flexible}}},')
    out.close("};")
    out.add()
    out.add("}  // namespace")
    out.add()
    out.open("std::span<const ApiInfo> api_table()")
    out.add("return kApis;")
    out.close()
    out.add()
    out.add("}  // namespace magpie::wire")
    return out.text()


def error_code_header(codes):
    out = Lines()
    out.add(NOTICE.format(source="error_code.schema").strip())
    out.add("//")
    wrap_comment(out, "Kafka's numeric error codes. Nothing below `wire` and above `kafka` uses "
                 "them: elsewhere an error is a Result (base/result.h).")
    out.add("#pragma once")
    out.add()
    out.add("#include <cstdint>")
    out.add()
    out.add("namespace magpie::wire {")
    out.add()
    out.open("enum class ErrorCode : int16_t")
    for code in codes:
        out.add(f"{constant(code.name)} = {code.value},  // {code.about}")
    out.close("};")
    out.add()
    out.add('// Kafka\'s own name, "UNKNOWN_TOPIC_ID"; "UNKNOWN_ERROR_CODE" for a number not listed.')
    out.add("const char* to_string(ErrorCode code);")
    out.add()
    out.add("// True if Kafka's clients try again by themselves when they get this code.")
    out.add("bool is_retriable(ErrorCode code);")
    out.add()
    out.add("}  // namespace magpie::wire")
    return out.text()


def error_code_source(codes):
    out = Lines()
    out.add(NOTICE.format(source="error_code.schema").strip())
    out.add('#include "wire/error_code.h"')
    out.add()
    out.add("namespace magpie::wire {")
    out.add()
    out.open("const char* to_string(ErrorCode code)")
    out.open("switch (code)")
    for code in codes:
        out.add(f"case ErrorCode::{constant(code.name)}:")
        out.add(f'  return "{code.name}";')
    out.close()
    out.add('return "UNKNOWN_ERROR_CODE";')
    out.close()
    out.add()
    out.open("bool is_retriable(ErrorCode code)")
    out.open("switch (code)")
    for code in codes:
        if code.retriable:
            out.add(f"case ErrorCode::{constant(code.name)}:")
    out.add("  return true;")
    out.add("default:")
    out.add("  return false;")
    out.close()
    out.close()
    out.add()
    out.add("}  // namespace magpie::wire")
    return out.text()


# --- the program ---------------------------------------------------------------------------------


def write_if_changed(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schema", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    try:
        files = schema.read_all(arguments.schema)
        codes = schema.read_error_codes(arguments.schema)
    except schema.SchemaError as error:
        schema.fail(error)
    outputs = {"api_key.h": api_key_header(files), "api_table_rows.cc": api_table_source(files),
               "error_code.h": error_code_header(codes), "error_code.cc": error_code_source(codes)}
    for file in files:
        outputs[f"{file.path.stem}.h"] = header(file)
        outputs[f"{file.path.stem}.cc"] = source(file)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in outputs.items():
        write_if_changed(arguments.output / name, text)


if __name__ == "__main__":
    main()
