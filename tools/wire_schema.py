"""Reads the message descriptions in schema/ (the language is described in docs/formats/schema.md).

Used by generate_wire.py, which turns them into C++, and by compare_schema.py, which compares them
with the definitions inside a Kafka release.
"""

import dataclasses
import pathlib
import re
import sys

SCALARS = ("bool", "int8", "int16", "int32", "int64", "uuid", "string", "bytes", "records",
           "error_code")
NULLABLE = ("string", "bytes", "records")


class SchemaError(Exception):
    """A mistake in a schema file; the text names file and line."""


@dataclasses.dataclass(frozen=True)
class Range:
    """Versions low to high, both included."""
    low: int
    high: int

    def __contains__(self, version):
        return self.low <= version <= self.high

    def __iter__(self):
        return iter(range(self.low, self.high + 1))

    def covers(self, other):
        return self.low <= other.low and other.high <= self.high


@dataclasses.dataclass
class Field:
    """One field. `type` is a scalar or the name of a nested structure, without array brackets."""
    name: str
    type: str
    array: bool
    versions: Range
    nullable: Range | None
    tag: int | None
    default: str | None
    ignorable: bool
    classic: bool
    about: str
    place: str
    fields: list["Field"]

    @property
    def is_struct(self):
        return self.type not in SCALARS


@dataclasses.dataclass
class Message:
    """One request, response, header or stored record. `api` is None for the latter two."""
    name: str
    kind: str
    versions: Range
    flexible: Range | None
    fields: list[Field]
    api: "Api | None" = None


@dataclasses.dataclass
class Api:
    """One API key with its request and response."""
    key: int
    name: str
    versions: Range
    flexible: Range | None
    advertised: Range | None
    served: Range | None
    request: Message
    response: Message


@dataclasses.dataclass
class SchemaFile:
    """One file: an API with two messages, or one header or record."""
    path: pathlib.Path
    about: str
    api: Api | None
    messages: list[Message]


@dataclasses.dataclass
class ErrorCode:
    """One of Kafka's numeric error codes."""
    value: int
    name: str
    retriable: bool
    about: str


def snake_case(name):
    """PascalCase to snake_case: MaxWaitMs, max_wait_ms."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def parse_range(text, within, place):
    """`4`, `4-12`, `4+` or `none`; an open end is the end of `within`."""
    if text == "none":
        return None
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"{place}: {text!r} is not a version range")
    low = int(match[1])
    high = low if match[2] is None else int(match[3]) if match[3] else None
    if high is None:
        if within is None:
            raise SchemaError(f"{place}: an open range needs an enclosing one")
        high = within.high
    if low > high:
        raise SchemaError(f"{place}: the range {text} is empty")
    return Range(low, high)


class Parser:
    """Turns the lines of one file into a SchemaFile."""

    def __init__(self, path):
        self.path = path
        self.kind = self.name = self.key = None
        self.head = {}
        self.sections = {}
        self.about = []

    def parse(self):
        section = None
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            place = f"{self.path.name}:{number}"
            if line.startswith("#"):
                if self.kind is None:
                    self.about.append(line[1:].strip())
            elif line.startswith(" "):
                if section is None:
                    raise SchemaError(f"{place}: a field outside request, response or fields")
                self.sections[section].append((place, line))
            elif line:
                section = self.directive(place, line.split()) or section
        return self.finish()

    def directive(self, place, words):
        """Handles a line that is not indented; returns the section it opens, if any."""
        if words[0] == "api" and len(words) == 3:
            self.kind, self.key, self.name = "api", int(words[1]), words[2]
        elif words[0] in ("header", "data") and len(words) == 2:
            self.kind, self.name = words
        elif words[0] in ("versions", "flexible", "advertised", "served") and len(words) == 2:
            self.head[words[0]] = (place, words[1])
        elif words[0] in ("request", "response", "fields") and len(words) == 1:
            self.sections[words[0]] = []
            return words[0]
        else:
            raise SchemaError(f"{place}: not understood: {' '.join(words)}")
        return None

    def head_range(self, word, within):
        if word not in self.head:
            raise SchemaError(f"{self.path.name}: `{word}` is missing")
        place, text = self.head[word]
        return parse_range(text, within, place)

    def finish(self):
        expected = {"request", "response"} if self.kind == "api" else {"fields"}
        if set(self.sections) != expected:
            raise SchemaError(f"{self.path.name}: needs {' and '.join(sorted(expected))}")
        versions = self.head_range("versions", None)
        flexible = self.head_range("flexible", versions)
        messages = []
        for section, lines in self.sections.items():
            name = self.name if section == "fields" else self.name + section.capitalize()
            kind = self.kind if section == "fields" else section
            fields, rest = parse_fields(lines, 2, versions)
            assert not rest
            messages.append(Message(name, kind, versions, flexible, fields))
            check_message(messages[-1], self.path.name)
        api = None
        if self.kind == "api":
            advertised = self.head_range("advertised", None)
            served = self.head_range("served", None) if "served" in self.head else advertised
            if advertised and not (versions.covers(advertised) and advertised.covers(served)):
                raise SchemaError(f"{self.path.name}: served, advertised and versions must nest")
            api = Api(self.key, self.name, versions, flexible, advertised, served, *messages)
            for message in messages:
                message.api = api
        return SchemaFile(self.path, " ".join(self.about).strip(), api, messages)


def parse_fields(lines, indent, within):
    """Fields at this indentation, with their children; returns them and the lines left over."""
    fields = []
    while lines:
        place, line = lines[0]
        depth = len(line) - len(line.lstrip())
        if depth < indent:
            break
        if line.lstrip().startswith("-- "):
            if not fields:
                raise SchemaError(f"{place}: a description before any field")
            fields[-1].about = (fields[-1].about + " " + line.lstrip()[3:].strip()).strip()
            lines = lines[1:]
            continue
        if depth > indent:
            if not fields or depth != indent + 2:
                raise SchemaError(f"{place}: indented by {depth}, expected {indent}")
            lines = parse_children(fields[-1], lines, indent, place)
            continue
        fields.append(parse_field(line, within, place))
        lines = lines[1:]
    return fields, lines


def parse_children(parent, lines, indent, place):
    if not parent.is_struct:
        raise SchemaError(f"{place}: {parent.name} is a {parent.type} and has no fields")
    parent.fields, rest = parse_fields(lines, indent + 2, parent.versions)
    return rest


def parse_field(line, within, place):
    """`Name type[?versions] [versions] [tag N] [= default] [classic] [ignorable] [-- about]`."""
    code, _, about = line.partition(" -- ")
    words = code.split()
    if len(words) < 2:
        raise SchemaError(f"{place}: a field needs a name and a type")
    name, type_text, *words = words
    match = re.fullmatch(r"(\[?)(\w+)(\]?)(\?(.*))?", type_text)
    if not match or bool(match[1]) != bool(match[3]):
        raise SchemaError(f"{place}: {type_text!r} is not a type")
    versions = within
    if words and re.match(r"\d", words[0]):
        versions = parse_range(words.pop(0), within, place)
        if not within.covers(versions):
            raise SchemaError(f"{place}: {name} has versions its parent does not have")
    nullable = None
    if match[4]:
        nullable = parse_range(match[5], versions, place) if match[5] else versions
    field = Field(name, match[2], bool(match[1]), versions, nullable, None, None, False, False,
                  about.strip(), place, [])
    while words:
        word = words.pop(0)
        if word == "tag" and words:
            field.tag = int(words.pop(0))
        elif word == "=" and words:
            field.default = words.pop(0)
        elif word in ("ignorable", "classic"):
            setattr(field, word, True)
        else:
            raise SchemaError(f"{place}: {word!r} is not understood")
    return field


def check_message(message, file_name):
    """Rules that no single line can break."""
    structs = {}

    def walk(fields):
        names = set()
        for field in fields:
            if field.name in names:
                raise SchemaError(f"{field.place}: {field.name} appears twice")
            names.add(field.name)
            if field.is_struct and field.type in structs:
                raise SchemaError(f"{field.place}: the structure {field.type} is already used")
            if field.is_struct and not field.fields:
                raise SchemaError(f"{field.place}: {field.type} is unknown or has no fields")
            if field.nullable and not (field.array or field.is_struct or field.type in NULLABLE):
                raise SchemaError(f"{field.place}: {field.type} cannot be null")
            if field.tag is not None and not (message.flexible and
                                              message.flexible.covers(field.versions)):
                raise SchemaError(f"{field.place}: a tagged field needs flexible versions")
            if field.is_struct:
                structs[field.type] = field
            walk(field.fields)
        tags = sorted(field.tag for field in fields if field.tag is not None)
        if tags != list(range(len(tags))):
            raise SchemaError(f"{file_name}: tags of {message.name} must be 0, 1, 2, …")

    walk(message.fields)


def read_all(folder):
    """Every schema file of the folder, sorted by name, except the error codes."""
    return [Parser(path).parse() for path in sorted(pathlib.Path(folder).glob("*.schema"))
            if path.name != "error_code.schema"]


def read_error_codes(folder):
    """Lines `<number> <NAME> [retriable] -- about`."""
    codes = []
    path = pathlib.Path(folder) / "error_code.schema"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(-?\d+)\s+([A-Z0-9_]+)(\s+retriable)?\s+-- (.+)", line)
        if not match:
            raise SchemaError(f"{path.name}:{number}: not an error code")
        codes.append(ErrorCode(int(match[1]), match[2], bool(match[3]), match[4]))
    return codes


def fail(error):
    print(error, file=sys.stderr)
    sys.exit(1)
