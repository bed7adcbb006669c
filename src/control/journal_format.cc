#include "control/journal_format.h"

#include <algorithm>
#include <utility>

#include "base/byte_writer.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace magpie::control {
namespace {

void write_sized(ByteWriter& writer, std::string_view text) {
  writer.write_unsigned_varint(static_cast<uint32_t>(text.size()));
  writer.write_text(text);
}

Buffer finish(ByteWriter& writer) {
  return flatten(writer.finish());
}

Buffer encode_body(Revision revision, const std::vector<Change>& changes) {
  ByteWriter writer;
  writer.write_int64(revision);
  writer.write_unsigned_varint(static_cast<uint32_t>(changes.size()));
  for (const Change& change : changes) {
    writer.write_int8(change.value ? kPutChange : kDeleteChange);
    write_sized(writer, change.key);
    if (change.value) write_sized(writer, *change.value);
  }
  writer.write_int8(kRecordEnd);
  return finish(writer);
}

// The keys of the state in the order in which their revisions were committed.
std::vector<std::pair<Revision, const std::string*>> by_revision(const State& state) {
  std::vector<std::pair<Revision, const std::string*>> keys;
  for (const auto& [key, entry] : state.entries()) keys.emplace_back(entry.modified, &key);
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return keys;
}

}  // namespace

Buffer encode_journal_header(std::string_view cluster_id, uint64_t store_id) {
  CHECK(cluster_id.size() <= kClusterIdBytesMax);
  ByteWriter writer;
  writer.write_text(kJournalMagic);
  writer.write_uint32(kJournalVersion);
  writer.write_uint16(static_cast<uint16_t>(cluster_id.size()));
  writer.write_text(cluster_id);
  writer.write_int64(static_cast<int64_t>(store_id));
  Buffer header = finish(writer);
  writer.write_text(header.text());
  writer.write_uint32(crc32c(header.bytes()));
  return finish(writer);
}

Buffer encode_journal_record(Revision revision, const std::vector<Change>& changes) {
  const Buffer body = encode_body(revision, changes);
  CHECK(body.size() <= kRecordBodyBytesMax);
  ByteWriter writer;
  writer.write_text(kRecordMagic);
  writer.write_int8(kRecordVersion);
  writer.write_uint32(static_cast<uint32_t>(body.size()));
  const Buffer start = finish(writer);
  writer.write_text(start.text());
  writer.write_uint32(crc32c(body.bytes(), crc32c(start.bytes())));
  writer.write_text(body.text());
  return finish(writer);
}

BufferChain encode_journal(std::string_view cluster_id, const State& state, uint64_t store_id) {
  BufferChain chain = {encode_journal_header(cluster_id, store_id)};
  Revision last = 0;
  std::vector<Change> changes;
  const auto write = [&](Revision revision) {
    chain.push_back(encode_journal_record(revision, changes));
    changes.clear();
    last = revision;
  };
  const auto keys = by_revision(state);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto& [revision, key] = keys[i];
    changes.push_back({*key, state.entries().find(*key)->second.value});
    if (i + 1 == keys.size() || keys[i + 1].first != revision) write(revision);
  }
  // The latest transactions may have left no trace but their revision.
  if (last < state.revision()) write(state.revision());
  return chain;
}

}  // namespace magpie::control
