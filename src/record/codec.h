// The four compression formats of Kafka batches.
//
// Brokers store batches as they came; this is for the rare places that must look inside: keys in
// compacted topics, a search by timestamp, compaction itself, and tests. What is unpacked may come
// from anywhere, so every call states how large the result may become and stops there: a small
// batch cannot fill the memory.
//
// Formats, as clients write them: gzip (RFC 1952), snappy raw or in the chunked framing of the Java
// library, LZ4 frames with independent blocks, zstd frames.
#pragma once

#include <cstddef>

#include "base/buffer.h"
#include "base/result.h"
#include "record/batch.h"

namespace magpie::record {

// The bytes before compression; `input` itself for kNone.
// Errors: kCorrupt (not this format, or damaged), kLimit (more than `bytes_max` come out),
// kUnsupported (unknown codec).
Result<Buffer> decompress(Codec codec, const Buffer& input, size_t bytes_max);

// The compressed form, readable by every Kafka client. REQUIRES: a known codec.
Buffer compress(Codec codec, const Buffer& input);

}  // namespace magpie::record
