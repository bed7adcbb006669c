#!/usr/bin/env python3
"""Compares the facts in schema/ with the message definitions inside Kafka's jars.

    compare_schema.py kafka-clients-4.2.0.jar [kafka-group-coordinator-4.2.0.jar ...]

For every message and every version that both sides describe, the fields must be the same in order,
name, type, nullability, tag and form, as must be the version from which on messages are flexible,
the defaults, what may be ignored, and the API keys. Prints each difference and exits with 1 if
there is any. Versions only one side has are no difference: Kafka drops old ones, and we may
describe fewer; but Kafka must know what we serve, unless --older says that its release is a past
one. Nor are tagged fields that only we have, because an older release may lack them: compare with
the newest one too. Messages a jar does not contain are named in the last line.
"""

import argparse
import json
import pathlib
import re
import sys
import zipfile

import wire_schema as schema

# The number types of the definitions, and what they mean if nothing is said.
ZERO_DEFAULTS = {"bool": "false", "string": "", "uuid": ""}
# Types we name more precisely than Kafka does.
SAME_TYPE = {"error_code": "int16"}


def load_definitions(jars):
    """All message definitions in the jars, by name, with their // comments removed."""
    definitions = {}
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if re.fullmatch(r"common/message/\w+\.json", name):
                    text = archive.read(name).decode()
                    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
                    definition = json.loads(text)
                    definitions[definition["name"]] = definition
    return definitions


def bounds(text):
    """A version range of the definitions as (low, high); None for none."""
    if text in (None, "none"):
        return None
    low, _, high = text.partition("-")
    if text.endswith("+"):
        return int(text[:-1]), sys.maxsize
    return int(low), int(high or low)


def within(text, version):
    limits = bounds(text)
    return limits is not None and limits[0] <= version <= limits[1]


def their_versions(definition, ours):
    """Versions of ours that Kafka's definition describes too."""
    if definition["type"] == "coordinator-key":
        # In 4.x the number in front of the key is called apiKey and the rest has version 0.
        return [version for version in ours.versions if version in (0, definition["apiKey"])]
    return [version for version in ours.versions if within(definition["validVersions"], version)]


def all_versions(definition):
    if definition["type"] == "coordinator-key":
        return [0]
    low, high = bounds(definition["validVersions"])
    return list(range(low, high + 1))


def normal_default(type_name, nullable, default):
    """One spelling per default value; None where Kafka says nothing and null is allowed."""
    if default is None:
        return None if nullable else ZERO_DEFAULTS.get(type_name, "0")
    text = str(default)
    if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)", text):
        return str(int(text, 0))
    return None if text == "null" else text


def their_layout(definition, parent_versions, fields, version, flexible):
    """What is on the wire in this version: a list of facts per field, nested lists below."""
    commons = {common["name"]: common["fields"] for common in definition.get("commonStructs", [])}
    layout = []
    for field in fields:
        if not within(field["versions"], version):
            continue
        array = field["type"].startswith("[]")
        type_name = field["type"][2:] if array else field["type"]
        children = field.get("fields") or commons.get(type_name)
        present = [other for other in parent_versions if within(field["versions"], other)]
        layout.append({
            "name": field["name"][0].upper() + field["name"][1:],
            "type": "struct" if children is not None else type_name,
            "array": array,
            "nullable": within(field.get("nullableVersions"), version),
            "tag": field.get("tag") if within(field.get("taggedVersions"), version) else None,
            "compact": flexible and field.get("flexibleVersions") != "none",
            # Whether a field may be dropped matters only where some version lacks it.
            "ignorable": bool(field.get("ignorable")) if present != parent_versions else None,
            "default": None if array or children is not None else normal_default(
                type_name, field.get("nullableVersions"), field.get("default")),
            "fields": their_layout(definition, present, children or [], version, flexible),
        })
    return layout


def our_layout(fields, version, flexible):
    layout = []
    for field in fields:
        if version not in field.versions:
            continue
        type_name = SAME_TYPE.get(field.type, field.type)
        plain = not field.array and not field.is_struct
        layout.append({
            "name": field.name,
            "type": "struct" if field.is_struct else type_name,
            "array": field.array,
            "nullable": bool(field.nullable) and version in field.nullable,
            "tag": field.tag,
            "compact": flexible and not field.classic,
            "ignorable": field.ignorable,
            "default": normal_default(type_name, field.nullable, field.default) if plain else None,
            "fields": our_layout(field.fields, version, flexible),
        })
    return layout


def compare_layouts(ours, theirs, path, report):
    # A release may add a tagged field without a new version (KIP-482): an older one lacks it.
    known_tags = {field["tag"] for field in theirs}
    ours = [field for field in ours if field["tag"] is None or field["tag"] in known_tags]
    our_names = [field["name"] for field in ours]
    their_names = [field["name"] for field in theirs]
    if our_names != their_names:
        report(f"{path}: fields {our_names}, Kafka has {their_names}")
        return
    for our, their in zip(ours, theirs):
        place = f"{path}.{our['name']}"
        for fact in ("type", "array", "nullable", "tag", "compact", "ignorable", "default"):
            if our["default"] == "empty" and fact == "default":
                continue  # records in a response: our own choice of what an unset field means
            if their[fact] is None and fact == "ignorable":
                continue
            if our[fact] != their[fact]:
                report(f"{place}: {fact} is {our[fact]}, Kafka has {their[fact]}")
        compare_layouts(our["fields"], their["fields"], place, report)


def compare_message(ours, definition, older, report):
    """Reports differences in all common versions; returns how many versions were compared."""
    if ours.api and definition.get("apiKey") != ours.api.key:
        report(f"{ours.name}: key {ours.api.key}, Kafka has {definition.get('apiKey')}")
    versions = their_versions(definition, ours)
    for version in versions:
        flexible = bool(ours.flexible) and version in ours.flexible
        shown = 0 if definition["type"] == "coordinator-key" else version
        their_flexible = within(definition["flexibleVersions"], shown)
        if flexible != their_flexible:
            report(f"{ours.name} version {version}: flexible is {flexible}, Kafka has "
                   f"{their_flexible}")
            continue
        compare_layouts(our_layout(ours.fields, version, flexible),
                        their_layout(definition, all_versions(definition), definition["fields"],
                                     shown, flexible),
                        f"{ours.name} version {version}", report)
    if ours.api and ours.api.served and not older:
        missing = [version for version in ours.api.served if version not in versions]
        if missing:
            report(f"{ours.name}: versions {missing} are served, Kafka does not describe them")
    return len(versions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jars", nargs="+", type=pathlib.Path, metavar="JAR")
    parser.add_argument("--schema", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent / "schema")
    parser.add_argument("--older", action="store_true",
                        help="the jars are of an older release: it need not know all we serve")
    arguments = parser.parse_args()
    definitions = load_definitions(arguments.jars)
    if not definitions:
        sys.exit("no message definitions in " + " ".join(map(str, arguments.jars)))
    differences = []
    compared = versions = 0
    absent = []
    for file in schema.read_all(arguments.schema):
        for message in file.messages:
            if message.name not in definitions:
                absent.append(message.name)
                if message.kind != "data":
                    differences.append(f"{message.name}: not among Kafka's messages")
                continue
            compared += 1
            versions += compare_message(message, definitions[message.name], arguments.older,
                                        differences.append)
    for difference in differences:
        print(difference)
    print(f"{compared} messages, {versions} versions compared, {len(differences)} differences"
          + (f"; not in these jars: {', '.join(absent)}" if absent else ""))
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
