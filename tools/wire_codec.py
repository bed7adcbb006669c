"""Generates the sources: encode, decode and lost_field of every message."""

from wire_cpp import (NOTICE, TYPES, Lines, cpp_default, element_minimum, nullable_argument,
                      structs_of, versions_condition)
from wire_schema import snake_case

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
