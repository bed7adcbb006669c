#include "control/journal.h"

#include <utility>

#include "base/check.h"

namespace magpie::control {
namespace {

// A journal is rewritten when it is this many times as large as when it was last written whole,
// but not while it is small.
constexpr uint64_t kGrowth = 4;
constexpr uint64_t kSmallBytes = 64 * 1024;

}  // namespace

Journal::Journal(port::FileRef file, std::string cluster_id, port::Completion then)
    : file_(std::move(file)), cluster_id_(std::move(cluster_id)), then_(then) {
  CHECK(file_ != nullptr);
}

void Journal::adopt(const RecoveredJournal& recovered) {
  CHECK(!busy_);
  store_id_ = recovered.store_id;
  size_ = recovered.valid_bytes;
  size_when_whole_ = size_of(encode_journal(cluster_id_, recovered.state, store_id_));
  // What follows the whole records must go before anything is appended. And what could be read may
  // be in memory only: after a failed sync the kernel counts the pages as written, so that no later
  // sync writes them, and a process that died right then has told nobody. Hence the first append
  // of every life writes the whole journal anew.
  content_known_ = false;
}

void Journal::append(const State& state, Revision revision, const std::vector<Change>& changes,
                     port::Effects& effects) {
  CHECK(!busy_ && revision > state.revision());
  Buffer record = encode_journal_record(revision, changes);
  if (wants_rewrite()) {
    BufferChain whole = encode_journal(cluster_id_, state, store_id_);
    whole.push_back(std::move(record));
    replace(std::move(whole), effects);
    return;
  }
  busy_ = true;
  replacing_ = false;
  size_after_ = size_ + record.size();
  effects.add(port::WriteFile{file_, size_, {std::move(record)}, /*sync=*/true, then_});
}

void Journal::append_copy(const JournalRecord& copied, port::Effects& effects) {
  CHECK(!busy_ && !wants_rewrite());
  Buffer record = encode_journal_record(copied.revision, copied.changes);
  busy_ = true;
  replacing_ = false;
  size_after_ = size_ + record.size();
  effects.add(port::WriteFile{file_, size_, {std::move(record)}, /*sync=*/true, then_});
}

void Journal::rewrite(const State& state, port::Effects& effects) {
  CHECK(!busy_);
  replace(encode_journal(cluster_id_, state, store_id_), effects);
}

void Journal::replace(BufferChain bytes, port::Effects& effects) {
  busy_ = true;
  replacing_ = true;
  size_after_ = size_of(bytes);
  effects.add(port::ReplaceFile{file_, std::move(bytes), then_});
}

Status Journal::finish(const port::DiskDone& done) {
  CHECK(busy_);
  busy_ = false;
  if (!done.status) {
    content_known_ = false;
    return fail(done.status.error());
  }
  content_known_ = true;
  size_ = size_after_;
  if (replacing_) size_when_whole_ = size_;
  return {};
}

bool Journal::wants_rewrite() const {
  if (!content_known_) return true;
  return size_ > kSmallBytes && size_ / kGrowth > size_when_whole_;
}

}  // namespace magpie::control
