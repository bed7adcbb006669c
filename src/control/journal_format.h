// The bytes of a metadata journal. docs/formats/metadata-journal.md is the description; this header
// only names its parts.
//
// A journal is a header and records, one record per committed transaction. Rewriting a journal
// keeps, of each record, the changes that were not overtaken, so a rewritten journal has the same
// form and replays to the same state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "control/change.h"
#include "control/state.h"

namespace magpie::control {

inline constexpr std::string_view kJournalMagic = "MAGPIEMJ";
inline constexpr uint32_t kJournalVersion = 2;
inline constexpr std::string_view kRecordMagic = "MJR";
inline constexpr uint8_t kRecordVersion = 1;

inline constexpr uint8_t kPutChange = 1;
inline constexpr uint8_t kDeleteChange = 2;
// Ends every record, so that no part of one is all zeros, however it lies across disk sectors.
inline constexpr uint8_t kRecordEnd = '\n';

// Magic, version, length of the body, checksum.
inline constexpr size_t kRecordFrameBytes = 12;
// Far above what a transaction can be (a topic has limits::kPartitionsPerTopic partitions and a
// config value is short); a longer record is not looked at.
inline constexpr size_t kRecordBodyBytesMax = 16 * 1024 * 1024;
// Longest cluster id.
inline constexpr size_t kClusterIdBytesMax = 255;

// `store_id`: the control store whose state this is a copy of; 0: this journal decides by itself.
// REQUIRES: cluster_id is at most kClusterIdBytesMax long.
Buffer encode_journal_header(std::string_view cluster_id, uint64_t store_id = 0);
// REQUIRES: the encoded changes are at most kRecordBodyBytesMax long.
Buffer encode_journal_record(Revision revision, const std::vector<Change>& changes);
// A whole journal that replays to `state`.
BufferChain encode_journal(std::string_view cluster_id, const State& state, uint64_t store_id = 0);

struct RecoveredJournal {
  State state;
  uint64_t store_id = 0;
  uint64_t valid_bytes = 0;  // header and whole records
  uint64_t torn_bytes = 0;   // what follows: the beginning of a record that was never acknowledged
};

// Reads a journal back. `path` appears in messages. Refused, with path and byte position, are:
// kCorrupt, damage anywhere but in a torn last record, and records that contradict each other;
// kUnsupported, a newer version of anything; kInvalidArgument, another cluster's journal.
Result<RecoveredJournal> recover_journal(std::string_view path, const Buffer& bytes,
                                         std::string_view cluster_id);

}  // namespace magpie::control
