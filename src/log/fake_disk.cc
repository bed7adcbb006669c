#include "log/fake_disk.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace magpie::log {
namespace {

constexpr uint64_t kSector = 512;
bool is_write(const port::Effect& effect) {
  return std::holds_alternative<port::WriteFile>(effect);
}

// Reads and plain writes need not wait for a sync.
bool may_overtake(const port::Effect& later, const port::Effect& earlier) {
  if (!std::holds_alternative<port::SyncFile>(earlier)) return false;
  const auto* write = std::get_if<port::WriteFile>(&later);
  return std::holds_alternative<port::ReadFile>(later) || (write != nullptr && !write->sync);
}

Status failure(const std::optional<Error>& error) {
  return fail(*error);
}

template <typename T>
constexpr bool kHasFile =
    std::is_same_v<T, port::WriteFile> || std::is_same_v<T, port::SyncFile> ||
    std::is_same_v<T, port::ReadFile> || std::is_same_v<T, port::TruncateFile> ||
    std::is_same_v<T, port::ReplaceFile> || std::is_same_v<T, port::RemoveFile>;

// The paths whose order an effect keeps; a folder ends with '/'. Empty: not a disk effect.
std::vector<std::string> paths_of(const port::Effect& effect) {
  return std::visit(
      [](const auto& e) -> std::vector<std::string> {
        using T = std::decay_t<decltype(e)>;
        if constexpr (kHasFile<T>) return {e.file->path};
        if constexpr (std::is_same_v<T, port::RenameFile>) return {e.file->path, e.to->path};
        if constexpr (std::is_same_v<T, port::ListFolder>) return {e.path + "/"};
        return {};
      },
      effect);
}

bool overlap(const std::string& a, const std::string& b) {
  const auto contains = [](const std::string& folder, const std::string& path) {
    return folder.ends_with('/') && path.starts_with(folder);
  };
  return a == b || contains(a, b) || contains(b, a);
}

}  // namespace

void FakeDisk::submit(port::Effects& effects) {
  for (port::Effect& effect : effects.list()) {
    if (auto* line = std::get_if<port::LogLine>(&effect)) {
      lines_.push_back(std::move(*line));
      continue;
    }
    std::vector<std::string> paths = paths_of(effect);
    CHECK(!paths.empty());
    waiting_.push_back({std::move(effect), std::move(paths)});
  }
  effects.clear();
}

bool FakeDisk::is_ready(size_t index) const {
  for (size_t i = 0; i < index; ++i) {
    if (may_overtake(waiting_[index].effect, waiting_[i].effect)) continue;
    for (const std::string& a : waiting_[i].paths) {
      for (const std::string& b : waiting_[index].paths) {
        if (overlap(a, b)) return false;
      }
    }
  }
  return true;
}

std::optional<port::DiskDone> FakeDisk::carry_out_one() {
  if (waiting_.empty()) return std::nullopt;
  // Mostly the oldest, sometimes any that may overtake.
  size_t index = random_.chance(1, 2) ? 0 : random_.below(waiting_.size());
  while (!is_ready(index)) --index;
  if (is_write(waiting_[index].effect)) begin_syncs_before(index);
  const Waiting next = std::move(waiting_[index]);
  waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(index));
  ++effects_done_;
  if (next.doomed) {
    return done(std::get<port::WriteFile>(next.effect),
                fail(ErrorKind::kIo, "an earlier write of the file failed"));
  }
  if (next.covered) return sync_covered(std::get<port::SyncFile>(next.effect), *next.covered);
  return carry_out(next.effect);
}

// What a write that overtakes a sync brings is not covered by it.
void FakeDisk::begin_syncs_before(size_t index) {
  const std::string& path = waiting_[index].paths.front();
  for (size_t i = 0; i < index; ++i) {
    Waiting& earlier = waiting_[i];
    if (!std::holds_alternative<port::SyncFile>(earlier.effect)) continue;
    if (earlier.paths.front() == path && !earlier.covered) earlier.covered = files_[path];
  }
}

port::DiskDone FakeDisk::sync_covered(const port::SyncFile& effect, const File& covered) {
  File& file = files_[effect.file->path];
  if (sync_error_) return done(effect, sync(file));
  if (file.synced.size() < covered.content.size()) file.synced.resize(covered.content.size());
  for (const uint64_t sector : covered.dirty) {
    const uint64_t begin = sector * kSector;
    if (file.in_doubt.contains(sector) || begin >= covered.content.size()) continue;
    const std::string bytes = covered.content.substr(begin, kSector);
    file.synced.replace(begin, bytes.size(), bytes);
    if (file.content.compare(begin, kSector, file.synced, begin, kSector) == 0) {
      file.dirty.erase(sector);
    }
  }
  file.name_synced = true;
  return done(effect);
}

port::DiskDone FakeDisk::carry_out(const port::Effect& effect) {
  return std::visit(
      [this](const auto& e) -> port::DiskDone {
        using T = std::decay_t<decltype(e)>;
        if constexpr (kHasFile<T> || std::is_same_v<T, port::RenameFile> ||
                      std::is_same_v<T, port::ListFolder>) {
          return apply(e);
        } else {
          CHECK(false);
        }
      },
      effect);
}

// --- effects -------------------------------------------------------------------------------------

void FakeDisk::write(File& file, uint64_t position, const std::string& bytes) {
  if (file.content.size() < position + bytes.size()) file.content.resize(position + bytes.size());
  file.content.replace(position, bytes.size(), bytes);
  for (uint64_t s = position / kSector; s * kSector < position + bytes.size(); ++s) {
    file.dirty.insert(s);
    file.in_doubt.erase(s);
  }
}

Status FakeDisk::sync(File& file) {
  if (sync_error_) {
    file.in_doubt.insert(file.dirty.begin(), file.dirty.end());
    return failure(sync_error_);
  }
  // Sectors in doubt count as clean for the kernel: they are not written.
  std::string synced = file.content;
  for (const uint64_t sector : file.in_doubt) {
    for (uint64_t i = sector * kSector; i < std::min((sector + 1) * kSector, synced.size()); ++i) {
      synced[i] = i < file.synced.size() ? file.synced[i] : '\0';
    }
  }
  file.synced = std::move(synced);
  file.dirty = file.in_doubt;
  file.name_synced = true;
  return {};
}

// Writes behind a failed one fail, too, so that no hole appears (port/effect.h).
void FakeDisk::fail_waiting_writes(const std::string& path) {
  for (Waiting& waiting : waiting_) {
    if (waiting.paths.front() == path) waiting.doomed = is_write(waiting.effect);
  }
}

port::DiskDone FakeDisk::apply(const port::WriteFile& effect) {
  const std::string bytes(flatten(effect.bytes).text());
  if (write_error_) {
    if (random_.chance(1, 2)) {
      File& file = files_[effect.file->path];
      write(file, effect.position, bytes.substr(0, random_.below(bytes.size() + 1)));
    }
    fail_waiting_writes(effect.file->path);
    return done(effect, failure(write_error_));
  }
  File& file = files_[effect.file->path];
  write(file, effect.position, bytes);
  return done(effect, effect.sync ? sync(file) : Status{});
}

port::DiskDone FakeDisk::apply(const port::SyncFile& effect) {
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, fail(ErrorKind::kNotFound, "no such file"));
  return done(effect, sync(found->second));
}

port::DiskDone FakeDisk::apply(const port::ReadFile& effect) {
  ++reads_;
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, fail(ErrorKind::kNotFound, "no such file"));
  const std::string& content = found->second.content;
  port::DiskDone answer = done(effect);
  if (effect.position < content.size()) {
    answer.data = Buffer::copy_of(content.substr(effect.position, effect.length));
  }
  return answer;
}

port::DiskDone FakeDisk::apply(const port::TruncateFile& effect) {
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, fail(ErrorKind::kNotFound, "no such file"));
  File& file = found->second;
  file.content.resize(effect.size);
  file.synced.resize(std::min<uint64_t>(file.synced.size(), effect.size));
  std::erase_if(file.dirty, [&](uint64_t sector) { return sector * kSector >= effect.size; });
  std::erase_if(file.in_doubt, [&](uint64_t sector) { return sector * kSector >= effect.size; });
  return done(effect, sync(file));
}

port::DiskDone FakeDisk::apply(const port::ReplaceFile& effect) {
  if (write_error_) return done(effect, failure(write_error_));
  if (sync_error_) return done(effect, failure(sync_error_));
  File& file = files_[effect.file->path];
  file = {};
  file.content = flatten(effect.bytes).text();
  removed_.clear();  // the folder is synced
  return done(effect, sync(file));
}

port::DiskDone FakeDisk::apply(const port::RenameFile& effect) {
  auto from = files_.extract(effect.file->path);
  if (from.empty()) return done(effect, fail(ErrorKind::kNotFound, "no such file"));
  files_[effect.to->path] = std::move(from.mapped());
  files_[effect.to->path].name_synced = true;
  removed_.clear();  // the folder is synced
  return done(effect);
}

port::DiskDone FakeDisk::apply(const port::RemoveFile& effect) {
  auto removed = files_.extract(effect.file->path);
  if (!removed.empty() && removed.mapped().name_synced) {
    removed_[effect.file->path] = std::move(removed.mapped());
  }
  return done(effect);
}

port::DiskDone FakeDisk::apply(const port::ListFolder& effect) {
  port::DiskDone answer = done(effect);
  for (const auto& [path, file] : files_) {
    if (!path.starts_with(effect.path + "/")) continue;
    answer.listing.push_back({path.substr(effect.path.size() + 1), false, file.content.size()});
  }
  return answer;
}

// --- crashes and faults --------------------------------------------------------------------------

// A waiting effect that the crash found half done.
void FakeDisk::happen_unsynced(const port::Effect& effect) {
  if (const auto* write_effect = std::get_if<port::WriteFile>(&effect)) {
    write(files_[write_effect->file->path], write_effect->position,
          std::string(flatten(write_effect->bytes).text()));
  } else if (!std::holds_alternative<port::SyncFile>(effect) &&
             !std::holds_alternative<port::ReadFile>(effect) &&
             !std::holds_alternative<port::ListFolder>(effect)) {
    carry_out(effect);
  }
}

void FakeDisk::tear(File& file) {
  const uint64_t longest = std::max(file.content.size(), file.synced.size());
  uint64_t size =
      random_.chance(1, 2)
          ? longest
          : static_cast<uint64_t>(random_.between(static_cast<int64_t>(file.synced.size()),
                                                  static_cast<int64_t>(longest)));
  std::string torn = file.synced;
  torn.resize(size);
  // How much of it arrived differs from file to file.
  const uint64_t kept_of_four = random_.below(5);
  for (const uint64_t sector : file.dirty) {
    if (random_.below(4) >= kept_of_four) continue;
    const uint64_t end = std::min({(sector + 1) * kSector, size, file.content.size()});
    for (uint64_t i = sector * kSector; i < end; ++i) torn[i] = file.content[i];
  }
  file.content = std::move(torn);
}

void FakeDisk::crash(Crash mode) {
  // A prefix of what waits for each file has happened, in any interleaving.
  std::set<std::string> stopped;
  for (const Waiting& next : std::exchange(waiting_, {})) {
    // What may overtake a sync does not wait for one that has not happened.
    if (next.doomed || std::holds_alternative<port::SyncFile>(next.effect)) continue;
    bool happens = mode != Crash::kLoseAll && random_.chance(1, 2);
    for (const std::string& path : next.paths) happens &= !stopped.contains(path);
    if (happens) {
      happen_unsynced(next.effect);
    } else {
      stopped.insert(next.paths.begin(), next.paths.end());
    }
  }
  if (mode == Crash::kProcess) return;
  for (auto& [path, file] : removed_) {
    if (mode == Crash::kTear && random_.chance(1, 2) && !files_.contains(path)) {
      files_[path] = std::move(file);
    }
  }
  removed_.clear();
  std::erase_if(files_, [&](const auto& entry) {
    const File& file = entry.second;
    return !file.name_synced && (mode == Crash::kLoseAll || random_.chance(1, 2));
  });
  for (auto& [path, file] : files_) {
    if (mode == Crash::kTear) {
      tear(file);
    } else {
      file.content = file.synced;
    }
    file.synced = file.content;
    file.dirty.clear();
    file.in_doubt.clear();
    file.name_synced = true;
  }
}

void FakeDisk::flip_bit(const std::string& path, uint64_t bit) {
  File& file = files_.at(path);
  CHECK(bit / 8 < file.content.size());
  file.content[bit / 8] = static_cast<char>(file.content[bit / 8] ^ (1 << (bit % 8)));
  if (bit / 8 < file.synced.size()) file.synced[bit / 8] = file.content[bit / 8];
}

std::map<std::string, std::string> FakeDisk::contents() const {
  std::map<std::string, std::string> all;
  for (const auto& [path, file] : files_) all[path] = file.content;
  return all;
}

void FakeDisk::put(const std::string& path, std::string content) {
  File& file = files_[path];
  file = {};
  file.content = file.synced = std::move(content);
  file.name_synced = true;
}

uint64_t FakeDisk::synced_size(const std::string& path) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return 0;
  const File& file = found->second;
  return file.dirty.empty() ? file.content.size()
                            : std::min(file.synced.size(), *file.dirty.begin() * kSector);
}

}  // namespace magpie::log
