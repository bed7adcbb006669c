// Kafka messages as C++ structures.
//
// The problem: thirty requests and answers, each in up to nineteen versions. The idea: messages are
// data. schema/ describes every field with the versions that have it, tools/generate_wire.py turns
// that into one structure per message that serves all versions, and into three functions:
//
//   void encode(ByteWriter& out, const FetchResponse& value, int version);
//   bool decode(ByteReader& in, FetchResponse& value, int version);
//   const char* lost_field(const FetchResponse& value, int version);
//
// encode writes exactly the fields that `version` has: a tagged field that a client's version does
// not know never reaches it. Null in a version that cannot say null becomes empty. Byte runs of
// some size are linked into the output, not copied.
//
// decode starts from the defaults and fills in the fields that `version` has; false means the bytes
// are malformed and `value` is of no use. Null where the version does not allow it is malformed.
// Unknown tagged fields are skipped. Bytes after the message are left in `in`: Kafka ignores them
// in requests, and so should callers. Buffers in the result are slices of the input's block.
//
// lost_field names the first field that holds something `version` cannot say and that may not be
// dropped without a word, or returns null. For tests of whoever fills messages.
//
// All three REQUIRE kLowestVersion <= version <= kHighestVersion; callers learn from api_table.h
// which versions a client may use. What is not here: no check of values, no order of fields in
// answers, no policy. The schema language is described in docs/formats/schema.md, the protocol in
// Kafka's protocol guide and KIP-482.
//
// One header per API, named as in Kafka: "wire/list_offsets.h". This file only declares what all of
// them use.
#pragma once

namespace magpie {
class ByteReader;
class ByteWriter;
}  // namespace magpie
