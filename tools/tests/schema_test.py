"""The schema language and the comparison with Kafka's definitions."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest
import zipfile
from unittest import mock

import compare_schema
import wire_schema

GOOD = """\
# Ping: a message for this test.

api 7 Ping
versions 0-3
flexible 2+
advertised 1-2

request
  Name      string?1+
  Count     int32     1+   = -1 ignorable  -- How many.
  Parts     [Part]?   2+
      -- Said below
      -- in two lines.
    Key     int16
    Note    string    3    tag 0

response
  ErrorCode  error_code
"""

REQUEST = {
    "apiKey": 7, "type": "request", "name": "PingRequest", "validVersions": "1-3",
    "flexibleVersions": "2+",
    "fields": [
        {"name": "name", "type": "string", "versions": "0+", "nullableVersions": "1+"},
        {"name": "Count", "type": "int32", "versions": "1+", "default": "-1", "ignorable": True},
        {"name": "Parts", "type": "[]Thing", "versions": "2+", "nullableVersions": "2+",
         "fields": [
             {"name": "Key", "type": "int16", "versions": "2+"},
             {"name": "Note", "type": "string", "versions": "3+", "taggedVersions": "3+",
              "tag": 0},
         ]},
    ],
}
RESPONSE = {
    "apiKey": 7, "type": "response", "name": "PingResponse", "validVersions": "1-3",
    "flexibleVersions": "2+",
    "fields": [{"name": "ErrorCode", "type": "int16", "versions": "0+"}],
}


class SchemaTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def parse(self, text):
        path = self.folder / "ping.schema"
        path.write_text(text)
        return wire_schema.Parser(path).parse()


class Language(SchemaTest):
    def test_a_message_is_read(self):
        file = self.parse(GOOD)
        self.assertEqual(file.about, "Ping: a message for this test.")
        name, count, parts = file.api.request.fields
        self.assertEqual((name.nullable.low, name.nullable.high), (1, 3))
        self.assertEqual((count.default, count.ignorable, count.about), ("-1", True, "How many."))
        self.assertEqual(parts.about, "Said below in two lines.")
        self.assertTrue(parts.array and parts.is_struct)
        self.assertEqual((parts.fields[0].versions.low, parts.fields[0].versions.high), (2, 3))
        self.assertEqual(parts.fields[1].tag, 0)

    def test_mistakes_are_named_with_their_line(self):
        for old, new, complaint in (
                ("Count     int32", "Count     int33", "ping.schema:10.*int33"),
                ("1+   = -1", "1-9  = -1", "ping.schema:10.*parent"),
                ("= -1 ignorable", "= -1 optional", "ping.schema:10.*optional"),
                ("Count     int32 ", "Count     int32?", "ping.schema:10.*null"),
                ("Count ", "Name  ", "ping.schema:10.*twice"),
                ("    Key     int16", "      Key   int16", "ping.schema:14.*indented"),
                ("3    tag 0", "3    tag 1", "tags"),
                ("[Part]?   2+", "[Part]?   1+", ""),
                ("flexible 2+\n", "", "flexible"),
                ("advertised 1-2", "advertised 1-4", "nest"),
                ("response\n", "answer\n", "answer"),
                ("versions 0-3", "versions 3-0", "empty")):
            if not complaint:
                self.parse(GOOD.replace(old, new, 1))
                continue
            with self.assertRaisesRegex(wire_schema.SchemaError, complaint, msg=new):
                self.parse(GOOD.replace(old, new, 1))

    def test_a_tag_needs_flexible_versions(self):
        with self.assertRaisesRegex(wire_schema.SchemaError, "flexible"):
            self.parse(GOOD.replace("= -1 ignorable", "tag 0", 1))

    def test_names_become_snake_case(self):
        for name, expected in (("MaxWaitMs", "max_wait_ms"), ("IsrNodes", "isr_nodes"),
                               ("TopicId", "topic_id"), ("KIPNumber", "kip_number")):
            self.assertEqual(wire_schema.snake_case(name), expected)


class Comparison(SchemaTest):
    def compare(self, request=None, schema=GOOD):
        """Exit code and output of compare_schema.py."""
        (self.folder / "ping.schema").write_text(schema)
        jar = self.folder / "kafka.jar"
        with zipfile.ZipFile(jar, "w") as archive:
            for message in (request or REQUEST, RESPONSE):
                text = "// a comment\n" + json.dumps(message)
                archive.writestr(f"common/message/{message['name']}.json", text)
        output = io.StringIO()
        arguments = ["compare_schema.py", str(jar), "--schema", str(self.folder)]
        with contextlib.redirect_stdout(output), mock.patch("sys.argv", arguments):
            with self.assertRaises(SystemExit) as stop:
                compare_schema.main()
        return stop.exception.code, output.getvalue()

    def test_equal_facts_have_no_difference(self):
        code, output = self.compare()
        self.assertEqual((code, output), (0, "2 messages, 6 versions compared, 0 differences\n"))

    def test_each_kind_of_difference_is_found(self):
        for change, complaint in (
                ({"type": "int64"}, "version 1.Count: type is int32, Kafka has int64"),
                ({"name": "Number"}, "fields"),
                ({"versions": "2+"}, "version 1: fields"),
                ({"nullableVersions": "2+"}, "version 2.Count: nullable is False"),
                ({"default": "0"}, "default is -1, Kafka has 0"),
                ({"taggedVersions": "2+", "tag": 0}, "version 2.Count: tag is None"),
                ({"flexibleVersions": "none"}, "version 2.Count: compact is True"),
                ({"type": "[]int32"}, "array is False")):
            request = json.loads(json.dumps(REQUEST))
            request["fields"][1].update(change)
            code, output = self.compare(request)
            self.assertEqual(code, 1, change)
            self.assertIn(complaint, output)

    def test_key_and_flexible_versions_are_compared(self):
        self.assertIn("key 7, Kafka has 8", self.compare({**REQUEST, "apiKey": 8})[1])
        self.assertIn("version 2: flexible is True",
                      self.compare({**REQUEST, "flexibleVersions": "3+"})[1])

    def test_whether_a_field_may_be_dropped_matters_where_a_version_lacks_it(self):
        request = json.loads(json.dumps(REQUEST))
        request["fields"][1]["ignorable"] = False
        self.assertEqual(self.compare(request)[0], 0)  # their versions 1 to 3 all have it
        request["validVersions"] = "0-3"
        self.assertIn("version 1.Count: ignorable is True", self.compare(request)[1])

    def test_a_tag_the_release_does_not_have_yet_is_no_difference(self):
        request = json.loads(json.dumps(REQUEST))
        del request["fields"][2]["fields"][1]
        self.assertEqual(self.compare(request)[0], 0)

    def test_versions_that_are_served_must_exist(self):
        served = GOOD.replace("advertised 1-2", "advertised 0-2")
        code, output = self.compare(schema=served)
        self.assertEqual(code, 1)
        self.assertIn("versions [0] are served", output)


if __name__ == "__main__":
    unittest.main()
