#include "sim/disk.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace magpie::sim {
namespace {

template <typename T>
constexpr bool kOnFile =
    std::is_same_v<T, port::WriteFile> || std::is_same_v<T, port::SyncFile> ||
    std::is_same_v<T, port::ReadFile> || std::is_same_v<T, port::TruncateFile> ||
    std::is_same_v<T, port::ReplaceFile> || std::is_same_v<T, port::RemoveFile>;
template <typename T>
constexpr bool kOnFolder =
    std::is_same_v<T, port::ListFolder> || std::is_same_v<T, port::RemoveFolder>;
template <typename T>
constexpr bool kOnDisk = kOnFile<T> || kOnFolder<T> || std::is_same_v<T, port::RenameFile> ||
                         std::is_same_v<T, port::RenameFolder>;

// "" is the data directory itself, which holds everything.
std::string inside(const std::string& folder) {
  return folder.empty() ? folder : folder + "/";
}

std::vector<std::string> paths_of(const port::Effect& effect) {
  return std::visit(
      [](const auto& e) -> std::vector<std::string> {
        using T = std::decay_t<decltype(e)>;
        if constexpr (kOnFile<T>) return {e.file->path};
        if constexpr (kOnFolder<T>) return {inside(e.path)};
        if constexpr (std::is_same_v<T, port::RenameFile>) return {e.file->path, e.to->path};
        if constexpr (std::is_same_v<T, port::RenameFolder>) return {inside(e.path), inside(e.to)};
        CHECK(false);
      },
      effect);
}

bool overlap(const std::string& a, const std::string& b) {
  const auto contains = [](const std::string& folder, const std::string& path) {
    return (folder.empty() || folder.ends_with('/')) && path.starts_with(folder);
  };
  return a == b || contains(a, b) || contains(b, a);
}

bool overlap(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const std::string& x) {
    return std::any_of(b.begin(), b.end(), [&](const std::string& y) { return overlap(x, y); });
  });
}

bool is_write(const port::Effect& effect) {
  return std::holds_alternative<port::WriteFile>(effect) ||
         std::holds_alternative<port::SyncFile>(effect);
}

// Reads and plain writes need not wait for a sync.
bool may_overtake(const port::Effect& later, const port::Effect& earlier) {
  if (!std::holds_alternative<port::SyncFile>(earlier)) return false;
  const auto* write = std::get_if<port::WriteFile>(&later);
  return std::holds_alternative<port::ReadFile>(later) || (write != nullptr && !write->sync);
}

template <typename T>
port::DiskDone done(const T& effect, Status status = {}) {
  return {effect.then, std::move(status), {}, {}};
}

Status no_such_file(const std::string& path) {
  return fail(ErrorKind::kNotFound, path + ": no such file");
}

}  // namespace

// --- the queue -----------------------------------------------------------------------------------

Duration Disk::draw_delay(const port::Effect& effect) {
  const auto* write = std::get_if<port::WriteFile>(&effect);
  // Into the page cache.
  const bool quick = write != nullptr && !write->sync;
  const int64_t longest = quick ? 20'000 : knobs_.disk_delay_max.nanos;
  int64_t nanos = random_.between(1'000, longest);
  if (slow_) nanos *= 100;
  return Duration::nanoseconds(nanos);
}

void Disk::submit(port::Effect effect) {
  Pending next;
  next.paths = paths_of(effect);
  next.when = scene_.now() + draw_delay(effect);
  next.effect = std::move(effect);
  for (const Pending& earlier : pending_) {
    if (may_overtake(next.effect, earlier.effect)) continue;
    if (overlap(earlier.paths, next.paths)) next.when = std::max(next.when, earlier.when);
  }
  const Instant when = next.when;
  pending_.push_back(std::move(next));
  const auto place = std::prev(pending_.end());
  scene_.queue.at(when, [this, boot = boot_, place] { finish(boot, place); });
}

void Disk::finish(uint64_t boot, PendingList::iterator place) {
  if (boot != boot_) return;
  if (std::holds_alternative<port::WriteFile>(place->effect)) begin_syncs_before(place);
  const Pending next = std::move(*place);
  const auto behind = pending_.erase(place);
  port::DiskDone result;
  if (next.fails) {
    const auto* write = std::get_if<port::WriteFile>(&next.effect);
    const auto* sync_effect = std::get_if<port::SyncFile>(&next.effect);
    result.then = write != nullptr ? write->then : sync_effect->then;
    result.status = fail(ErrorKind::kIo, "an earlier write to the file failed");
  } else {
    const auto* late = std::get_if<port::SyncFile>(&next.effect);
    result = next.begun ? finish_sync(*late, *next.begun) : carry_out(next.effect);
    if (!result.status && is_write(next.effect)) {
      fail_writes_from(behind, next.paths.front());
    }
  }
  const bool only_reads = std::holds_alternative<port::ReadFile>(next.effect) ||
                          std::holds_alternative<port::ListFolder>(next.effect);
  if (!result.status && !only_reads && observer_ != nullptr) observer_->failed(next.paths.front());
  scene_.note("disk", next.effect.index(), result.then.owner, result.then.kind, result.then.cookie,
              result.status.has_value(), result.data.size());
  deliver_(std::move(result));
}

// A sync that the write has overtaken is before it.
void Disk::fail_writes_from(PendingList::iterator place, const std::string& path) {
  for (; place != pending_.end(); ++place) {
    if (is_write(place->effect) && place->paths.front() == path) place->fails = true;
  }
}

// What a write that overtakes a sync brings is not covered by it.
void Disk::begin_syncs_before(PendingList::iterator write) {
  const std::string& path = write->paths.front();
  for (auto it = pending_.begin(); it != write; ++it) {
    if (!std::holds_alternative<port::SyncFile>(it->effect) || it->paths.front() != path) continue;
    if (it->begun) continue;
    scene_.probe("write_overtook_sync");
    const auto found = files_.find(path);
    it->begun = found == files_.end() ? SimFile::SyncBegun() : found->second.begin_sync();
  }
}

port::DiskDone Disk::carry_out(const port::Effect& effect) {
  return std::visit(
      [this](const auto& e) -> port::DiskDone {
        using T = std::decay_t<decltype(e)>;
        if constexpr (kOnDisk<T>) {
          return apply(e);
        } else {
          CHECK(false);
        }
      },
      effect);
}

// --- effects -------------------------------------------------------------------------------------

port::DiskDone Disk::finish_sync(const port::SyncFile& effect, const SimFile::SyncBegun& begun) {
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, no_such_file(effect.file->path));
  return done(effect, sync(found->first, found->second, &begun));
}

Status Disk::sync(const std::string& path, SimFile& file, const SimFile::SyncBegun* begun) {
  ++syncs_;
  if (meets(sync_error_, path)) {
    if (file.is_dirty()) scene_.probe("failed_sync_left_pages_clean");
    file.fail_sync();
    return fail(*sync_error_);
  }
  begun == nullptr ? file.sync() : file.sync(*begun);
  if (observer_ != nullptr) observer_->synced(path, file);
  return {};
}

port::DiskDone Disk::apply(const port::WriteFile& effect) {
  const Buffer bytes = flatten(effect.bytes);
  if (meets(write_error_, effect.file->path)) {
    scene_.probe(write_error_->kind == ErrorKind::kNoSpace ? "disk_full" : "write_error");
    if (random_.chance(1, 2)) {
      const uint64_t part = random_.below(bytes.size() + 1);
      files_[effect.file->path].write(effect.position, bytes.text().substr(0, part));
    }
    return done(effect, fail(*write_error_));
  }
  SimFile& file = files_[effect.file->path];
  file.write(effect.position, bytes.text());
  if (observer_ != nullptr) observer_->written(effect.file->path, bytes.text());
  return done(effect, effect.sync ? sync(effect.file->path, file) : Status{});
}

port::DiskDone Disk::apply(const port::SyncFile& effect) {
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, no_such_file(effect.file->path));
  return done(effect, sync(found->first, found->second));
}

port::DiskDone Disk::apply(const port::ReadFile& effect) {
  if (meets(read_error_, effect.file->path)) {
    scene_.probe("read_error");
    return done(effect, fail(*read_error_));
  }
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, no_such_file(effect.file->path));
  const std::string& content = found->second.content();
  port::DiskDone answer = done(effect);
  if (effect.position < content.size()) {
    answer.data = Buffer::copy_of(std::string_view(content).substr(effect.position, effect.length));
  }
  return answer;
}

port::DiskDone Disk::apply(const port::TruncateFile& effect) {
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, no_such_file(effect.file->path));
  if (meets(sync_error_, found->first)) return done(effect, fail(*sync_error_));
  if (observer_ != nullptr) observer_->cutting(found->first, effect.size);
  found->second.truncate(effect.size);
  return done(effect);
}

port::DiskDone Disk::apply(const port::ReplaceFile& effect) {
  const std::string& path = effect.file->path;
  if (meets(write_error_, path)) return done(effect, fail(*write_error_));
  if (meets(sync_error_, path)) return done(effect, fail(*sync_error_));
  if (observer_ != nullptr) observer_->moved(path);
  files_[path].replace(std::string(flatten(effect.bytes).text()));
  return done(effect);
}

port::DiskDone Disk::apply(const port::RenameFile& effect) {
  auto from = files_.extract(effect.file->path);
  if (from.empty()) return done(effect, no_such_file(effect.file->path));
  from.mapped().set_name_durable();
  if (effect.to->path.ends_with(".log")) scene_.probe("segment_replaced_by_compaction");
  if (observer_ != nullptr) {
    observer_->moved(effect.file->path);
    observer_->moved(effect.to->path);
  }
  files_[effect.to->path] = std::move(from.mapped());
  return done(effect);
}

port::DiskDone Disk::apply(const port::RemoveFile& effect) {
  if (observer_ != nullptr) observer_->cutting(effect.file->path, 0);
  files_.erase(effect.file->path);
  return done(effect);
}

port::DiskDone Disk::apply(const port::ListFolder& effect) {
  if (meets(read_error_, inside(effect.path))) return done(effect, fail(*read_error_));
  port::DiskDone answer = done(effect);
  const std::string prefix = inside(effect.path);
  std::map<std::string, port::FolderEntry> entries;
  for (auto it = files_.lower_bound(prefix); it != files_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    const std::string rest = it->first.substr(prefix.size());
    const size_t slash = rest.find('/');
    if (slash == std::string::npos) {
      entries[rest] = {rest, false, it->second.content().size()};
    } else {
      const std::string folder = rest.substr(0, slash);
      entries[folder] = {folder, true, 0};
    }
  }
  for (auto& [name, entry] : entries) answer.listing.push_back(std::move(entry));
  return answer;
}

port::DiskDone Disk::apply(const port::RemoveFolder& effect) {
  if (observer_ != nullptr) {
    for (const auto& [path, file] : files_) {
      if (path.starts_with(effect.path + "/")) observer_->cutting(path, 0);
    }
  }
  std::erase_if(files_,
                [&](const auto& entry) { return entry.first.starts_with(effect.path + "/"); });
  return done(effect);
}

port::DiskDone Disk::apply(const port::RenameFolder& effect) {
  const std::string prefix = effect.path + "/";
  std::map<std::string, SimFile> moved;
  for (auto it = files_.begin(); it != files_.end();) {
    if (!it->first.starts_with(prefix)) {
      ++it;
      continue;
    }
    it->second.set_name_durable();
    if (observer_ != nullptr) observer_->moved(it->first);
    moved[effect.to + "/" + it->first.substr(prefix.size())] = std::move(it->second);
    it = files_.erase(it);
  }
  files_.merge(moved);
  return done(effect);
}

// --- crashes -------------------------------------------------------------------------------------

// An effect that the crash found under way: it happened, but nothing made it durable.
void Disk::happen_unsynced(const port::Effect& effect) {
  if (const auto* write = std::get_if<port::WriteFile>(&effect)) {
    if (meets(write_error_, write->file->path)) return;
    files_[write->file->path].write(write->position, flatten(write->bytes).text());
  } else if (!std::holds_alternative<port::SyncFile>(effect) &&
             !std::holds_alternative<port::ReadFile>(effect) &&
             !std::holds_alternative<port::ListFolder>(effect)) {
    (void)carry_out(effect);
  }
}

void Disk::crash(Crash crash) {
  ++boot_;
  // For each file a prefix of what was under way has happened, in any interleaving.
  std::vector<std::string> stopped;
  for (const Pending& next : std::exchange(pending_, {})) {
    if (std::holds_alternative<port::SyncFile>(next.effect)) continue;
    if (!next.fails && random_.chance(1, 2) && !overlap(next.paths, stopped)) {
      happen_unsynced(next.effect);
    } else {
      stopped.insert(stopped.end(), next.paths.begin(), next.paths.end());
    }
  }
  if (observer_ != nullptr) observer_->crashed();
  if (crash == Crash::kProcess) return;
  for (auto it = files_.begin(); it != files_.end();) {
    if (!it->second.name_is_durable() && random_.chance(1, 2)) {
      scene_.probe("unsynced_file_lost");
      it = files_.erase(it);
      continue;
    }
    if (it->second.is_dirty()) {
      scene_.probe("unsynced_sectors_in_power_loss");
      it->second.lose_power(random_);
    }
    it->second.set_name_durable();
    ++it;
  }
}

}  // namespace magpie::sim
