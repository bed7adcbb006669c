// The checks a batch must pass before it gets an offset.
//
// The problem: a produce request carries bytes from anywhere, and what is stored is read again by
// every consumer, every other region and every restart. The idea: everything that can be told from
// the 61-byte header and one pass of the checksum is checked here, once, at the door; the records
// inside stay unread. The guarantee: a batch that passes is whole, matches its checksum, names a
// known codec and counts its records consistently.
//
// What it does not do: it does not look into records (see reader.h), compare sequence numbers, or
// apply topic settings such as max.message.bytes.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "record/batch.h"

namespace magpie::record {

// What is wrong with a produced batch. In brackets the Kafka error a broker answers with.
enum class Fault {
  kOldFormat,     // magic 0 or 1, gone since Kafka 4.0 [UNSUPPORTED_FOR_MESSAGE_FORMAT]
  kMalformed,     // sizes or fields contradict each other [CORRUPT_MESSAGE]
  kNotOneBatch,   // none, or more than one, where exactly one must be [INVALID_RECORD]
  kChecksum,      // [CORRUPT_MESSAGE]
  kUnknownCodec,  // [UNSUPPORTED_COMPRESSION_TYPE]
  kRecordCount,   // no records, or offsets that do not match their number [INVALID_RECORD]
  kTimestamp,     // impossible, or of a type only the broker sets [INVALID_TIMESTAMP]
  kProducer,      // producer id without a valid epoch or sequence [INVALID_RECORD]
  kControl,       // control batches come from brokers only [INVALID_RECORD]
};

struct Refusal {
  Fault fault;
  std::string message;  // a sentence for the client's log
};

// Checks the `records` field of a produce request, version 3 or later, which must hold exactly one
// batch. Returns its header. Transactional batches pass; the caller looks at is_transactional().
tl::expected<BatchHeader, Refusal> validate_produced(const Buffer& records);

// Cuts a run of whole batches into its pieces, which share the block. Checks sizes and format only.
// Error: kCorrupt if the bytes do not end where a batch ends; kUnsupported for magic 0 or 1.
Result<std::vector<Buffer>> split_batches(const Buffer& records);

}  // namespace magpie::record
