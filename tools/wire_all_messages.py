"""Generates what only tests and fuzzers use: random instances, a walk over all fields, and the
table of all messages.

The hand-written other half is src/wire/all_messages.h.
"""

from wire_cpp import NOTICE, Lines, structs_of, versions_condition
from wire_schema import snake_case


def emit_fill_value(out, field, message):
    member = f"value.{snake_case(field.name)}"
    may_be_null = "false"
    if field.nullable:
        may_be_null = versions_condition(field.nullable, field.versions, "version") or "true"
    if not field.is_struct:
        null = f"{may_be_null}, " if field.nullable else ""
        out.add(f"random_value(random, {null}{member});")
        return
    content = f"{member}.value()" if field.nullable else member
    if field.nullable:
        out.add(f"{member}.reset();")
        out.open(f"if (!({may_be_null}) || !random.chance(1, 3))")
        out.add(f"{member}.emplace();")
    if field.array:
        out.add(f"{content}.resize(random.below(kMostElements + 1));")
        out.add(f"for (auto& element : {content}) fill(random, element, version);")
    else:
        out.add(f"fill(random, {content}, version);")
    if field.nullable:
        out.close()


def emit_fill(out, type_name, fields, message, within):
    versioned = any(field.versions != within or field.is_struct or
                    (field.nullable and field.nullable != field.versions) for field in fields)
    unused = "" if versioned else "[[maybe_unused]] "
    out.open(f"void fill(Random& random, {type_name}& value, {unused}int version)")
    for field in fields:
        condition = versions_condition(field.versions, within, "version")
        if condition:
            out.open(f"if ({condition})")
        emit_fill_value(out, field, message)
        if condition:
            out.close()
    out.close()
    out.add()


def emit_visit_value(out, field):
    name = snake_case(field.name)
    member, path = f"value.{name}", f'path + "{name}"'
    if not field.is_struct:
        out.add(f"visit_value(visitor, {path}, {member});")
        return
    content = f"{member}.value()" if field.nullable else member
    if field.nullable:
        out.add(f"if (!{member}) visitor.null({path});")
        out.open(f"if ({member})")
    if field.array:
        out.add(f"visitor.count({path}, {content}.size());")
        out.open(f"for (size_t i = 0; i < {content}.size(); ++i)")
        out.add(f'visit(visitor, element_path({path}, i) + ".", {content}[i], version);')
        out.close()
    else:
        out.add(f'visit(visitor, {path} + ".", {content}, version);')
    if field.nullable:
        out.close()


def emit_visit(out, type_name, fields, within):
    out.open(f"void visit([[maybe_unused]] FieldVisitor& visitor, "
             f"[[maybe_unused]] const std::string& path, [[maybe_unused]] {type_name}& value, "
             "[[maybe_unused]] int version)")
    for field in fields:
        condition = versions_condition(field.versions, within, "version")
        if condition:
            out.open(f"if ({condition})")
        emit_visit_value(out, field)
        if condition:
            out.close()
    out.close()
    out.add()


def source(files):
    """The text of all_messages.cc."""
    out = Lines()
    out.add(NOTICE.format(source="*.schema").strip())
    out.add('#include "wire/all_messages.h"')
    out.add()
    for name in sorted([file.path.stem for file in files] + ["random_value"]):
        out.add(f'#include "wire/{name}.h"')
    out.add()
    out.add("namespace magpie::wire {")
    out.add()
    messages = [message for file in files for message in file.messages]
    for message in messages:
        for nested in structs_of(message.fields):
            emit_fill(out, f"{message.name}::{nested.type}", nested.fields, message,
                      nested.versions)
            emit_visit(out, f"{message.name}::{nested.type}", nested.fields, nested.versions)
        emit_fill(out, message.name, message.fields, message, message.versions)
        emit_visit(out, message.name, message.fields, message.versions)
    out.open("constexpr MessageEntry kMessages[] =")
    for message in messages:
        flexible = message.flexible.low if message.flexible else "kNeverFlexible"
        key = message.api.key if message.kind == "request" else -1
        out.add(f'message_entry<{message.name}>("{message.name}", {flexible}, {key}),')
    out.close("};")
    out.add()
    out.open("std::span<const MessageEntry> all_messages()")
    out.add("return kMessages;")
    out.close()
    out.add()
    out.add("}  // namespace magpie::wire")
    return out.text()
