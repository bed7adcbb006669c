#include "sim/log_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

#include "base/buffer.h"
#include "base/check.h"
#include "record/batch.h"
#include "record/reader.h"

namespace magpie::sim {
namespace {

constexpr std::string_view kFolder = "topics/plain-";
// More than any producer puts into one batch.
constexpr int64_t kBatchRecordsMax = 100;

// "topics/plain-0-1/00000000000000000000.log" → "plain-0-1"; empty if it is no such file.
std::string partition_of(const std::string& path) {
  if (!path.starts_with(kFolder) || !path.ends_with(".log")) return {};
  const size_t begin = std::string_view("topics/").size();
  return path.substr(begin, path.find('/', begin) - begin);
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::vector<std::pair<uint64_t, std::pair<int64_t, LoggedBatch>>> parse_log(
    std::string_view bytes) {
  std::vector<std::pair<uint64_t, std::pair<int64_t, LoggedBatch>>> batches;
  uint64_t position = 0;
  while (bytes.size() - position >= record::kBatchHeaderBytes) {
    const std::string_view rest = bytes.substr(position);
    const record::BatchHeader header = record::parse_header(as_bytes(rest));
    if (!record::is_plausible(header) || header.size_bytes() > rest.size()) break;
    if (!record::checksum_matches(as_bytes(rest.substr(0, header.size_bytes())))) break;
    batches.push_back({position,
                       {header.base_offset.value,
                        {header.leader_epoch.value, header.last_offset().value, header.crc}}});
    position += header.size_bytes();
  }
  return batches;
}

LoggedBatches read_log(Disk& disk, const std::string& partition) {
  LoggedBatches log;
  const std::string folder = "topics/" + partition + "/";
  for (auto it = disk.files().lower_bound(folder); it != disk.files().end(); ++it) {
    if (!it->first.starts_with(folder)) break;
    if (!it->first.ends_with(".log")) continue;
    for (const auto& [position, batch] : parse_log(it->second.content())) log.insert(batch);
  }
  return log;
}

std::map<int64_t, std::string> read_records(Disk& disk, const std::string& partition) {
  std::map<int64_t, std::string> records;
  const std::string folder = "topics/" + partition + "/";
  for (auto it = disk.files().lower_bound(folder); it != disk.files().end(); ++it) {
    if (!it->first.starts_with(folder)) break;
    if (!it->first.ends_with(".log")) continue;
    const std::string_view content = it->second.content();
    for (const auto& [position, batch] : parse_log(content)) {
      const record::BatchHeader header = record::parse_header(as_bytes(content.substr(position)));
      auto reader = record::RecordReader::open(
          Buffer::copy_of(as_bytes(content.substr(position, header.size_bytes()))));
      CHECK(reader.has_value());
      for (;;) {
        const auto record = reader->next();
        CHECK(record.has_value());
        if (!*record) break;
        const auto& view = **record;
        records[view.offset.value] = view.value ? *view.value : view.key.value_or("");
      }
    }
  }
  return records;
}

void LogWatch::watch(NodeId node, Disk& disk, bool weak) {
  eyes_.push_back(std::make_unique<Eye>(*this, node, disk, weak));
  by_node_[node] = eyes_.back().get();
  disk.set_observer(eyes_.back().get());
}

void LogWatch::disk_lost(NodeId node) {
  last_disk_loss_ = scene_.now();
  by_node_.at(node)->forget();
}

size_t LogWatch::holders(const std::string& partition, int64_t offset, uint32_t crc) const {
  return static_cast<size_t>(std::count_if(eyes_.begin(), eyes_.end(), [&](const auto& eye) {
    return eye->holds(partition, offset, crc);
  }));
}

bool LogWatch::Span::is(uint32_t wanted) const {
  return doubtful || wanted == 0 || crc == wanted;
}

// Batches of one log do not overlap; those of files that are left over may.
bool LogWatch::covers(const Spans& spans, int64_t offset, uint32_t crc) {
  for (auto it = spans.upper_bound(offset); it != spans.begin();) {
    const Span& span = (--it)->second;
    if (it->first + kBatchRecordsMax <= offset) return false;
    if (span.last < offset) continue;
    if (span.is(crc)) return true;
  }
  return false;
}

LogWatch::Spans LogWatch::spans(NodeId node, const std::string& partition) const {
  return by_node_.at(node)->spans(partition);
}

bool LogWatch::holds(NodeId node, const std::string& partition, int64_t offset,
                     uint32_t crc) const {
  return by_node_.at(node)->holds(partition, offset, crc);
}

// Within an epoch there is one writer, who never gives out an offset twice.
void LogWatch::check_writer(NodeId node, const std::string& partition, int64_t base,
                            const LoggedBatch& batch) {
  auto& known = written_[partition];
  const auto [place, fresh] = known.emplace(std::pair{batch.epoch, base}, batch);
  bool clash = !fresh && place->second != batch;
  if (fresh) {
    const auto next = std::next(place);
    clash |=
        next != known.end() && next->first.first == batch.epoch && next->first.second <= batch.last;
    if (place != known.begin()) {
      const auto before = std::prev(place);
      clash |= before->first.first == batch.epoch && before->second.last >= base;
    }
  }
  if (!clash) return;
  scene_.violate("G2", fmt::format("{}: node {} writes another batch at offset {} in epoch {} than "
                                   "was written before",
                                   partition, node.value, base, batch.epoch));
}

// --- one disk ------------------------------------------------------------------------------------

void LogWatch::Eye::written(const std::string& path, std::string_view bytes) {
  const std::string partition = partition_of(path);
  if (partition.empty()) return;
  for (const auto& [position, batch] : parse_log(bytes)) {
    watch_.check_writer(node_, partition, batch.first, batch.second);
    if (watch_.hear_) watch_.hear_(partition, batch.second);
  }
}

void LogWatch::Eye::synced(const std::string& path, const SimFile& file) {
  const std::string partition = partition_of(path);
  if (partition.empty()) return;
  auto& known = files_[path];
  const bool doubtful = failing_.contains(partition);
  std::optional<std::pair<uint64_t, Safe>> last;
  if (!known.empty()) {
    // It may have been replaced meanwhile; look at it again.
    last = *std::prev(known.end());
    known.erase(std::prev(known.end()));
  }
  const uint64_t from = last ? last->first : 0;
  if (from >= file.durable().size()) return;
  for (const auto& [position, batch] : parse_log(std::string_view(file.durable()).substr(from))) {
    const bool same = last && position == 0 && last->second.batch == batch.second;
    const bool is_doubtful = same ? last->second.doubtful : doubtful;
    known.insert_or_assign(from + position, Safe{batch.first, batch.second, is_doubtful});
  }
}

void LogWatch::Eye::failed(const std::string& path) {
  const std::string partition = partition_of(path);
  if (!partition.empty()) failing_.insert(partition);
}

void LogWatch::Eye::forget() {
  files_.clear();
  failing_.clear();
}

// What was safe may go only if it is kept somewhere else, on the same disk.
void LogWatch::Eye::cutting(const std::string& path, uint64_t size) {
  failing_.erase(partition_of(path));
  const auto found = files_.find(path);
  if (found == files_.end()) return;
  const auto file = disk_.files().find(path);
  auto& known = found->second;
  for (auto it = known.lower_bound(size); it != known.end(); it = known.erase(it)) {
    if (file == disk_.files().end() || it->second.doubtful) continue;
    const std::string_view content = file->second.content();
    const auto next = std::next(it);
    const uint64_t end = next == known.end() ? content.size() : next->first;
    if (is_kept(content.substr(it->first, end - it->first))) {
      watch_.scene_.probe("tail_in_salvage");
      continue;
    }
    watch_.scene_.violate(
        "G10",
        fmt::format("{}: node {} drops the batch at offset {} of epoch {}, and it is not in "
                    "salvage",
                    partition_of(path), node_.value, it->second.first, it->second.batch.epoch));
  }
  if (known.empty()) files_.erase(found);
}

bool LogWatch::Eye::is_kept(std::string_view bytes) const {
  for (auto it = disk_.files().lower_bound("salvage/"); it != disk_.files().end(); ++it) {
    if (!it->first.starts_with("salvage/")) return false;
    if (it->second.durable().find(bytes) != std::string::npos) return true;
  }
  return false;
}

// As covers() of spans(), without a list of all.
bool LogWatch::Eye::holds(const std::string& partition, int64_t offset, uint32_t crc) const {
  if (weak_) return covers(spans(partition), offset, crc);
  const std::string folder = "topics/" + partition + "/";
  for (auto it = files_.lower_bound(folder); it != files_.end(); ++it) {
    if (!it->first.starts_with(folder)) return false;
    for (const auto& [position, safe] : it->second) {
      if (safe.first > offset || safe.batch.last < offset) continue;
      if (Span{safe.batch.last, safe.batch.crc, safe.doubtful}.is(crc)) return true;
    }
  }
  return false;
}

LogWatch::Spans LogWatch::Eye::spans(const std::string& partition) const {
  Spans spans;
  if (weak_) {
    for (const auto& [first, batch] : read_log(disk_, partition)) {
      spans.emplace(first, Span{batch.last, batch.crc, false});
    }
    return spans;
  }
  const std::string folder = "topics/" + partition + "/";
  for (auto it = files_.lower_bound(folder); it != files_.end(); ++it) {
    if (!it->first.starts_with(folder)) break;
    for (const auto& [position, safe] : it->second) {
      spans.emplace(safe.first, Span{safe.batch.last, safe.batch.crc, safe.doubtful});
    }
  }
  return spans;
}

}  // namespace magpie::sim
