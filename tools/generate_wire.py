#!/usr/bin/env python3
"""Turns schema/*.schema into C++: one header and one source per API, header or stored record.

    generate_wire.py --schema schema --output build/generated/wire

Also writes api_key.h, api_table_rows.cc and error_code.{h,cc}, and, for tests and fuzzers,
all_messages.cc. Files whose content does not change keep their time stamp.
"""

import argparse
import pathlib

import wire_all_messages
import wire_codec
import wire_schema as schema
from wire_cpp import (NOTICE, Lines, constant, cpp_default, cpp_type, struct_name, structs_of,
                      wrap_comment)
from wire_schema import snake_case

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
    # Nested structures stand outside: inside, clang 14 takes them for not default-constructible.
    for nested in structs_of(message.fields):
        out.open(f"struct {struct_name(nested, message)}")
        emit_members(out, nested.fields, message, nested.versions)
        out.add(f"bool operator==(const {struct_name(nested, message)}&) const = default;")
        out.close("};")
        out.add()
    out.open(f"struct {message.name}")
    if message.api:
        out.add(f"static constexpr ApiKey kApi = ApiKey::k{message.api.name};")
    out.add(f"static constexpr int kLowestVersion = {message.versions.low};")
    out.add(f"static constexpr int kHighestVersion = {message.versions.high};")
    out.add()
    nested_names = sorted(nested.type for nested in structs_of(message.fields))
    for name in nested_names:
        out.add(f"using {name} = {message.name}{name};")
    if nested_names:
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
    out.add('// Kafka\'s name, "UNKNOWN_TOPIC_ID"; "UNKNOWN_ERROR_CODE" for a number not listed.')
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
               "all_messages.cc": wire_all_messages.source(files),
               "error_code.h": error_code_header(codes), "error_code.cc": error_code_source(codes)}
    for file in files:
        outputs[f"{file.path.stem}.h"] = header(file)
        outputs[f"{file.path.stem}.cc"] = wire_codec.source(file)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in outputs.items():
        write_if_changed(arguments.output / name, text)


if __name__ == "__main__":
    main()
