"""What the parts of the generator share: how schema types look in C++, and lines of code."""

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
    """Records in answers and on links are gathered from several buffers; in requests they are one
    slice."""
    return field.type == "records" and message.kind != "request"


def struct_name(field, message):
    """Name of the structure a field uses; FetchRequest::Topic is an alias of FetchRequestTopic."""
    return message.name + field.type


def element_type(field, message):
    if field.is_struct:
        return struct_name(field, message)
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
